namespace Twinrow.Sync;

/// <summary>
/// A mark belongs to one row of a table, from its creation to its deletion.
/// </summary>
codeunit 50100 "TWR Sync Marks"
{
    Access = Internal;

    /// <summary>
    /// Take a mark for a row that is being inserted. An error when another row of the table has it: nothing is made.
    /// </summary>
    procedure Take(TableNo: Integer; Mark: Guid)
    var
        SyncMark: Record "TWR Sync Mark";
    begin
        if IsNullGuid(Mark) then
            exit;
        SyncMark."Table No." := TableNo;
        SyncMark.Mark := Mark;
        if not SyncMark.Insert() then
            Error(MarkInUseErr, LowerCase(DelChr(Format(Mark), '=', '{}')), TableName(TableNo));
    end;

    /// <summary>
    /// Give back the mark of a row that was deleted.
    /// </summary>
    procedure Release(TableNo: Integer; Mark: Guid)
    var
        SyncMark: Record "TWR Sync Mark";
    begin
        if IsNullGuid(Mark) then
            exit;
        if SyncMark.Get(TableNo, Mark) then
            SyncMark.Delete();
    end;

    /// <summary>
    /// An error when a row that exists is given another mark.
    /// </summary>
    procedure CheckUnchanged(Mark: Guid; MarkBefore: Guid; CreatedAt: DateTime)
    begin
        if (CreatedAt <> 0DT) and (Mark <> MarkBefore) then
            Error(MarkCannotChangeErr);
    end;

    local procedure TableName(TableNo: Integer): Text
    var
        RecordRef: RecordRef;
    begin
        RecordRef.Open(TableNo);
        exit(RecordRef.Name());
    end;

    var
        MarkInUseErr: Label 'The sync mark %1 is already used in table %2.', Comment = '%1 = a GUID, %2 = name of a table';
        MarkCannotChangeErr: Label 'The sync mark of a row cannot be changed.';
}
