namespace Twinrow.Sync;

using Microsoft.CRM.Team;

/// <summary>
/// Salespeople and purchasers.
/// </summary>
page 50103 "TWR Salespeople"
{
    PageType = API;
    APIPublisher = 'twinrow';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'salespersonPurchaser';
    EntitySetName = 'salespeoplePurchasers';
    SourceTable = "Salesperson/Purchaser";
    ODataKeyFields = SystemId;
    Extensible = false;
    DelayedInsert = true;

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
                field(code; Rec.Code)
                {
                    Caption = 'Code';
                }
                field(displayName; Rec.Name)
                {
                    Caption = 'Display Name';
                }
                field(email; Rec."E-Mail")
                {
                    Caption = 'Email';
                }
                field(email2; Rec."E-Mail 2")
                {
                    Caption = 'Email 2';
                }
                field(phoneNo; Rec."Phone No.")
                {
                    Caption = 'Phone No';
                }
                field(jobTitle; Rec."Job Title")
                {
                    Caption = 'Job Title';
                }
                field(blocked; Rec.Blocked)
                {
                    Caption = 'Blocked';
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
                field(syncMark; Rec."Twinrow Sync Mark")
                {
                    Caption = 'Sync Mark';

                    trigger OnValidate()
                    begin
                        SyncMarks.CheckUnchanged(Rec."Twinrow Sync Mark", xRec."Twinrow Sync Mark", Rec.SystemCreatedAt);
                    end;
                }
            }
        }
    }

    trigger OnAfterGetRecord()
    begin
        SetComputedValues();
    end;

    trigger OnInsertRecord(BelowxRec: Boolean): Boolean
    begin
        Rec.Insert(true);
        SetComputedValues();
        exit(false);
    end;

    trigger OnModifyRecord(): Boolean
    var
        SalespersonPurchaser: Record "Salesperson/Purchaser";
    begin
        SalespersonPurchaser.GetBySystemId(Rec.SystemId);
        if Rec.Code = SalespersonPurchaser.Code then
            Rec.Modify(true)
        else begin
            SalespersonPurchaser.TransferFields(Rec, false);
            SalespersonPurchaser.Rename(Rec.Code);
            Rec.TransferFields(SalespersonPurchaser);
        end;
        SetComputedValues();
        exit(false);
    end;

    local procedure SetComputedValues()
    begin
        ModifiedByName := UserNames.NameOf(Rec.SystemModifiedBy);
    end;

    var
        UserNames: Codeunit "TWR User Names";
        SyncMarks: Codeunit "TWR Sync Marks";
        ModifiedByName: Text[50];
}
