namespace Twinrow.Sync;

using Microsoft.Foundation.PaymentTerms;

/// <summary>
/// The mark that Twinrow gives to a row it creates, so that it finds the row again when an answer was lost.
/// </summary>
tableextension 50104 "TWR Payment Terms Mark" extends "Payment Terms"
{
    fields
    {
        field(50104; "Twinrow Sync Mark"; Guid)
        {
            Caption = 'Twinrow Sync Mark';
            DataClassification = SystemMetadata;
        }
    }

    keys
    {
        key(TwinrowSyncMark; "Twinrow Sync Mark")
        {
        }
    }

    trigger OnBeforeInsert()
    var
        SyncMarks: Codeunit "TWR Sync Marks";
    begin
        SyncMarks.Take(Database::"Payment Terms", Rec."Twinrow Sync Mark");
    end;

    trigger OnAfterDelete()
    var
        SyncMarks: Codeunit "TWR Sync Marks";
    begin
        SyncMarks.Release(Database::"Payment Terms", Rec."Twinrow Sync Mark");
    end;
}
