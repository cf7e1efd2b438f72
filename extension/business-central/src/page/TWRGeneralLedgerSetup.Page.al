namespace Twinrow.Sync;

using Microsoft.Finance.GeneralLedger.Setup;

/// <summary>
/// The one row that names the local currency, to be read.
/// </summary>
page 50110 "TWR General Ledger Setup"
{
    PageType = API;
    APIPublisher = 'twinrow';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'generalLedgerSetup';
    EntitySetName = 'generalLedgerSetup';
    SourceTable = "General Ledger Setup";
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
                field(localCurrencyCode; Rec."LCY Code")
                {
                    Caption = 'Local Currency Code';
                    Editable = false;
                }
                field(localCurrencySymbol; Rec."Local Currency Symbol")
                {
                    Caption = 'Local Currency Symbol';
                    Editable = false;
                }
                field(localCurrencyDescription; Rec."Local Currency Description")
                {
                    Caption = 'Local Currency Description';
                    Editable = false;
                }
                field(amountDecimalPlaces; Rec."Amount Decimal Places")
                {
                    Caption = 'Amount Decimal Places';
                    Editable = false;
                }
                field(amountRoundingPrecision; Rec."Amount Rounding Precision")
                {
                    Caption = 'Amount Rounding Precision';
                    Editable = false;
                }
                field(reqCountryRegCodeInAddr; Rec."Req.Country/Reg. Code in Addr.")
                {
                    Caption = 'Req. Country/Reg. Code in Addr.';
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
        ModifiedByName := UserNames.NameOf(Rec.SystemModifiedBy);
    end;

    var
        UserNames: Codeunit "TWR User Names";
        ModifiedByName: Text[50];
}
