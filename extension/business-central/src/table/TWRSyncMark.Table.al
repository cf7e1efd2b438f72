namespace Twinrow.Sync;

/// <summary>
/// The marks that are in use, for each table. The primary key lets no mark be taken twice, whatever happens at the
/// same time: the second transaction waits for the first, and fails.
/// </summary>
table 50100 "TWR Sync Mark"
{
    Caption = 'Twinrow Sync Mark';
    DataClassification = SystemMetadata;
    Extensible = false;
    InherentEntitlements = RID;
    InherentPermissions = RID;

    fields
    {
        field(1; "Table No."; Integer)
        {
            Caption = 'Table No.';
        }
        field(2; Mark; Guid)
        {
            Caption = 'Mark';
        }
    }

    keys
    {
        key(PK; "Table No.", Mark)
        {
            Clustered = true;
        }
    }
}
