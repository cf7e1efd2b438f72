namespace Twinrow.Sync;

using Microsoft.Foundation.Shipping;

/// <summary>
/// The mark that Twinrow gives to a row it creates, so that it finds the row again when an answer was lost.
/// </summary>
tableextension 50107 "TWR Shipping Agent Mark" extends "Shipping Agent"
{
    fields
    {
        field(50107; "Twinrow Sync Mark"; Guid)
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
        SyncMarks.Take(Database::"Shipping Agent", Rec."Twinrow Sync Mark");
    end;

    trigger OnAfterDelete()
    var
        SyncMarks: Codeunit "TWR Sync Marks";
    begin
        SyncMarks.Release(Database::"Shipping Agent", Rec."Twinrow Sync Mark");
    end;
}
