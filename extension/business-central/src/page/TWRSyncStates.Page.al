namespace Twinrow.Sync;

using System.Environment;

/// <summary>
/// One row: up to which row version everything is committed. Read it before reading rows by systemRowVersion.
/// </summary>
page 50112 "TWR Sync States"
{
    PageType = API;
    APIPublisher = 'twinrow';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'syncState';
    EntitySetName = 'syncStates';
    SourceTable = Company;
    ODataKeyFields = SystemId;
    Extensible = false;
    Editable = false;
    InsertAllowed = false;
    ModifyAllowed = false;
    DeleteAllowed = false;
    DataAccessIntent = ReadWrite;

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
                field(minimumActiveRowVersion; MinimumActiveRowVersion)
                {
                    Caption = 'Minimum Active Row Version';
                    Editable = false;
                }
                field(lastUsedRowVersion; LastUsedRowVersion)
                {
                    Caption = 'Last Used Row Version';
                    Editable = false;
                }
            }
        }
    }

    trigger OnOpenPage()
    begin
        Rec.SetRange(Name, CompanyName());
    end;

    trigger OnAfterGetRecord()
    begin
        MinimumActiveRowVersion := Database.MinimumActiveRowVersion();
        LastUsedRowVersion := Database.LastUsedRowVersion();
    end;

    var
        MinimumActiveRowVersion: BigInteger;
        LastUsedRowVersion: BigInteger;
}
