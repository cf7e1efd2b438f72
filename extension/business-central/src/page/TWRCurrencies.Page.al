namespace Twinrow.Sync;

using Microsoft.Finance.Currency;

/// <summary>
/// Currencies; the local currency is no row of this table.
/// </summary>
page 50104 "TWR Currencies"
{
    PageType = API;
    APIPublisher = 'twinrow';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'currency';
    EntitySetName = 'currencies';
    SourceTable = Currency;
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
                field(displayName; Rec.Description)
                {
                    Caption = 'Display Name';
                }
                field(symbol; Rec.Symbol)
                {
                    Caption = 'Symbol';
                }
                field(amountDecimalPlaces; Rec."Amount Decimal Places")
                {
                    Caption = 'Amount Decimal Places';
                }
                field(amountRoundingPrecision; Rec."Invoice Rounding Precision")
                {
                    Caption = 'Amount Rounding Precision';
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
        Currency: Record Currency;
    begin
        Currency.GetBySystemId(Rec.SystemId);
        if Rec.Code = Currency.Code then
            Rec.Modify(true)
        else begin
            Currency.TransferFields(Rec, false);
            Currency.Rename(Rec.Code);
            Rec.TransferFields(Currency);
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
