namespace Twinrow.Sync;

using Microsoft.Purchases.Vendor;

/// <summary>
/// The mark that Twinrow gives to a row it creates, so that it finds the row again when an answer was lost.
/// </summary>
tableextension 50108 "TWR Vendor Mark" extends Vendor
{
    fields
    {
        field(50108; "Twinrow Sync Mark"; Guid)
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
        SyncMarks.Take(Database::Vendor, Rec."Twinrow Sync Mark");
    end;

    trigger OnAfterDelete()
    var
        SyncMarks: Codeunit "TWR Sync Marks";
    begin
        SyncMarks.Release(Database::Vendor, Rec."Twinrow Sync Mark");
    end;
}
