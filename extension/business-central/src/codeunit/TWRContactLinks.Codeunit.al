namespace Twinrow.Sync;

using Microsoft.CRM.BusinessRelation;
using Microsoft.Purchases.Vendor;
using Microsoft.Sales.Customer;

/// <summary>
/// From customers and vendors to the company contacts behind them, and back.
/// </summary>
codeunit 50101 "TWR Contact Links"
{
    Access = Internal;

    /// <summary>
    /// The SystemId of the customer or vendor behind which a company contact stands; a null GUID when there is none.
    /// </summary>
    procedure PartnerIdOf(LinkToTable: Enum "Contact Business Relation Link To Table"; CompanyContactNo: Code[20]): Guid
    var
        ContactBusinessRelation: Record "Contact Business Relation";
        Customer: Record Customer;
        Vendor: Record Vendor;
        NullGuid: Guid;
    begin
        if CompanyContactNo = '' then
            exit(NullGuid);
        if not ContactBusinessRelation.FindByContact(LinkToTable, CompanyContactNo) then
            exit(NullGuid);
        case LinkToTable of
            LinkToTable::Customer:
                begin
                    Customer.SetLoadFields(SystemId);
                    if Customer.Get(ContactBusinessRelation."No.") then
                        exit(Customer.SystemId);
                end;
            LinkToTable::Vendor:
                begin
                    Vendor.SetLoadFields(SystemId);
                    if Vendor.Get(ContactBusinessRelation."No.") then
                        exit(Vendor.SystemId);
                end;
        end;
        exit(NullGuid);
    end;

    /// <summary>
    /// The number of the contact behind a customer or vendor; blank when there is no such row, or none behind it.
    /// </summary>
    procedure CompanyContactOf(LinkToTable: Enum "Contact Business Relation Link To Table"; PartnerId: Guid): Code[20]
    var
        ContactBusinessRelation: Record "Contact Business Relation";
        Customer: Record Customer;
        Vendor: Record Vendor;
    begin
        case LinkToTable of
            LinkToTable::Customer:
                if Customer.GetBySystemId(PartnerId) then
                    exit(ContactBusinessRelation.GetContactNo(LinkToTable, Customer."No."));
            LinkToTable::Vendor:
                if Vendor.GetBySystemId(PartnerId) then
                    exit(ContactBusinessRelation.GetContactNo(LinkToTable, Vendor."No."));
        end;
        exit('');
    end;
}
