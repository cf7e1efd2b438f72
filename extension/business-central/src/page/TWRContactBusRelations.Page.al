namespace Twinrow.Sync;

using Microsoft.CRM.BusinessRelation;

/// <summary>
/// Which contact stands behind which customer or vendor, to be read.
/// </summary>
page 50111 "TWR Contact Bus. Relations"
{
    PageType = API;
    APIPublisher = 'twinrow';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'contactBusinessRelation';
    EntitySetName = 'contactBusinessRelations';
    SourceTable = "Contact Business Relation";
    ODataKeyFields = SystemId;
    Extensible = false;
    Editable = false;
    InsertAllowed = false;
    ModifyAllowed = false;
    DeleteAllowed = false;

    layout
    {
        area(Content)
        {
            repeater(Rows)
            {
                field(id; Rec.SystemId)
                {
                    Caption = 'Id';
                    Editable = false;
                }
                field(contactNumber; Rec."Contact No.")
                {
                    Caption = 'Contact No.';
                    Editable = false;
                }
                field(businessRelationCode; Rec."Business Relation Code")
                {
                    Caption = 'Business Relation Code';
                    Editable = false;
                }
                field(businessRelationDescription; Rec."Business Relation Description")
                {
                    Caption = 'Business Relation Description';
                    Editable = false;
                }
                field(linkToTable; Rec."Link to Table")
                {
                    Caption = 'Link To Table';
                    Editable = false;
                }
                field(number; Rec."No.")
                {
                    Caption = 'Number';
                    Editable = false;
                }
                field(contactName; Rec."Contact Name")
                {
                    Caption = 'Contact Name';
                    Editable = false;
                }
                field(systemRowVersion; Rec.SystemRowVersion)
                {
                    Caption = 'System Row Version';
                    Editable = false;
                }
                field(systemCreatedAt; Rec.SystemCreatedAt)
                {
                    Caption = 'System Created At';
                    Editable = false;
                }
                field(lastModifiedDateTime; Rec.SystemModifiedAt)
                {
                    Caption = 'Last Modified Date';
                    Editable = false;
                }
                field(modifiedBy; ModifiedByName)
                {
                    Caption = 'Modified By';
                    Editable = false;
                }
            }
        }
    }

    trigger OnAfterGetRecord()
    begin
        SetComputedValues();
    end;

    local procedure SetComputedValues()
    begin
        Rec.CalcFields("Business Relation Description", "Contact Name");
        ModifiedByName := UserNames.NameOf(Rec.SystemModifiedBy);
    end;

    var
        UserNames: Codeunit "TWR User Names";
        ModifiedByName: Text[50];
}
