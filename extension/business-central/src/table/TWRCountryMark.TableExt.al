namespace Twinrow.Sync;

using Microsoft.Foundation.Address;

/// <summary>
/// The mark that Twinrow gives to a row it creates, so that it finds the row again when an answer was lost.
/// </summary>
tableextension 50101 "TWR Country Mark" extends "Country/Region"
{
    fields
    {
        field(50101; "Twinrow Sync Mark"; Guid)
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
        SyncMarks.Take(Database::"Country/Region", Rec."Twinrow Sync Mark");
    end;

    trigger OnAfterDelete()
    var
        SyncMarks: Codeunit "TWR Sync Marks";
    begin
        SyncMarks.Release(Database::"Country/Region", Rec."Twinrow Sync Mark");
    end;
}
