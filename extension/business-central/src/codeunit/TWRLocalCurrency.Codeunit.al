namespace Twinrow.Sync;

using Microsoft.Finance.GeneralLedger.Setup;

/// <summary>
/// The local currency has a code on the wire and none in the tables.
/// </summary>
codeunit 50102 "TWR Local Currency"
{
    Access = Internal;

    /// <summary>
    /// The code that callers see.
    /// </summary>
    procedure Shown(CurrencyCode: Code[10]): Text
    begin
        if CurrencyCode = '' then
            exit(LocalCode());
        exit(CurrencyCode);
    end;

    /// <summary>
    /// The code that is stored.
    /// </summary>
    procedure Stored(CurrencyCode: Text): Code[10]
    var
        GivenCode: Code[10];
    begin
        GivenCode := CopyStr(CurrencyCode, 1, MaxStrLen(GivenCode));
        if GivenCode = LocalCode() then
            exit('');
        exit(GivenCode);
    end;

    local procedure LocalCode(): Code[10]
    var
        GeneralLedgerSetup: Record "General Ledger Setup";
    begin
        GeneralLedgerSetup.SetLoadFields("LCY Code");
        GeneralLedgerSetup.Get();
        exit(GeneralLedgerSetup."LCY Code");
    end;
}
