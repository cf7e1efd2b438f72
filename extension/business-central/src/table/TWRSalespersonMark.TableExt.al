namespace Twinrow.Sync;

using Microsoft.CRM.Team;

/// <summary>
/// The mark that Twinrow gives to a row it creates, so that it finds the row again when an answer was lost.
/// </summary>
tableextension 50105 "TWR Salesperson Mark" extends "Salesperson/Purchaser"
{
    fields
    {
        field(50105; "Twinrow Sync Mark"; Guid)
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
        SyncMarks.Take(Database::"Salesperson/Purchaser", Rec."Twinrow Sync Mark");
    end;

    trigger OnAfterDelete()
    var
        SyncMarks: Codeunit "TWR Sync Marks";
    begin
        SyncMarks.Release(Database::"Salesperson/Purchaser", Rec."Twinrow Sync Mark");
    end;
}
