namespace Twinrow.Sync;

using System.Security.AccessControl;

/// <summary>
/// The names behind the ids that the platform stamps on rows. An application that signs in by itself has the name that
/// it was given on the page Microsoft Entra Applications.
/// </summary>
codeunit 50103 "TWR User Names"
{
    Access = Internal;

    /// <summary>
    /// The name of a user; blank when the user is not known here.
    /// </summary>
    procedure NameOf(UserSecurityId: Guid): Text[50]
    var
        User: Record User;
        Name: Text[50];
    begin
        if Names.Get(UserSecurityId, Name) then
            exit(Name);
        User.SetLoadFields("User Name");
        if User.Get(UserSecurityId) then
            Name := User."User Name";
        Names.Add(UserSecurityId, Name);
        exit(Name);
    end;

    var
        Names: Dictionary of [Guid, Text[50]];
}
