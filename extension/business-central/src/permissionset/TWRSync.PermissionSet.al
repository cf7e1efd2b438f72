namespace Twinrow.Sync;

using Microsoft.CRM.BusinessRelation;
using Microsoft.CRM.Contact;
using Microsoft.CRM.Team;
using Microsoft.Finance.Currency;
using Microsoft.Finance.GeneralLedger.Setup;
using Microsoft.Foundation.Address;
using Microsoft.Foundation.PaymentTerms;
using Microsoft.Foundation.Shipping;
using Microsoft.Purchases.Vendor;
using Microsoft.Sales.Customer;
using System.Security.AccessControl;

/// <summary>
/// What the application that synchronizes needs, beside a permission set for calling the API.
/// </summary>
permissionset 50100 "TWR Sync"
{
    Assignable = true;
    Caption = 'Twinrow Sync';
    Permissions =
        table "TWR Sync Mark" = X,
        tabledata "TWR Sync Mark" = RID,
        codeunit "TWR Contact Links" = X,
        codeunit "TWR Local Currency" = X,
        codeunit "TWR Sync Marks" = X,
        codeunit "TWR User Names" = X,
        page "TWR Contact Bus. Relations" = X,
        page "TWR Contacts" = X,
        page "TWR Countries/Regions" = X,
        page "TWR Currencies" = X,
        page "TWR Currency Exch. Rates" = X,
        page "TWR Customers" = X,
        page "TWR General Ledger Setup" = X,
        page "TWR Payment Terms" = X,
        page "TWR Salespeople" = X,
        page "TWR Shipment Methods" = X,
        page "TWR Shipping Agents" = X,
        page "TWR Sync States" = X,
        page "TWR Vendors" = X,
        tabledata Contact = RIMD,
        tabledata "Contact Business Relation" = RIMD,
        tabledata "Country/Region" = RIMD,
        tabledata Currency = RIMD,
        tabledata "Currency Exchange Rate" = R,
        tabledata Customer = RIMD,
        tabledata "General Ledger Setup" = R,
        tabledata "Payment Terms" = RIMD,
        tabledata "Salesperson/Purchaser" = RIMD,
        tabledata "Shipment Method" = RIMD,
        tabledata "Shipping Agent" = RIMD,
        tabledata User = R,
        tabledata Vendor = RIMD;
}
