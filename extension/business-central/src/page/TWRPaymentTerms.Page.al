namespace Twinrow.Sync;

using Microsoft.Foundation.PaymentTerms;

/// <summary>
/// Payment terms.
/// </summary>
page 50106 "TWR Payment Terms"
{
    PageType = API;
    APIPublisher = 'twinrow';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'paymentTerm';
    EntitySetName = 'paymentTerms';
    SourceTable = "Payment Terms";
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
                field(dueDateCalculation; Rec."Due Date Calculation")
                {
                    Caption = 'Due Date Calculation';
                }
                field(discountDateCalculation; Rec."Discount Date Calculation")
                {
                    Caption = 'Discount Date Calculation';
                }
                field(discountPercent; Rec."Discount %")
                {
                    Caption = 'Discount Percent';
                }
                field(calculateDiscountOnCreditMemos; Rec."Calc. Pmt. Disc. on Cr. Memos")
                {
                    Caption = 'Calculate Discount On Credit Memos';
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
        PaymentTerms: Record "Payment Terms";
    begin
        PaymentTerms.GetBySystemId(Rec.SystemId);
        if Rec.Code = PaymentTerms.Code then
            Rec.Modify(true)
        else begin
            PaymentTerms.TransferFields(Rec, false);
            PaymentTerms.Rename(Rec.Code);
            Rec.TransferFields(PaymentTerms);
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
