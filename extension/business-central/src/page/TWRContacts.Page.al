namespace Twinrow.Sync;

using Microsoft.CRM.BusinessRelation;
using Microsoft.CRM.Contact;
using Microsoft.Finance.Currency;

/// <summary>
/// Contacts with what the standard page lacks: the parts of a person's name, salutation, salesperson, currency, fax,
/// pager, and the customer or vendor to which a person belongs, by its SystemId.
/// </summary>
page 50102 "TWR Contacts"
{
    PageType = API;
    APIPublisher = 'twinrow';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'contact';
    EntitySetName = 'contacts';
    SourceTable = Contact;
    ODataKeyFields = SystemId;
    Extensible = false;
    DelayedInsert = true;

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
                field(number; Rec."No.")
                {
                    Caption = 'Number';
                }
                field(type; Rec.Type)
                {
                    Caption = 'Type';
                }
                field(displayName; Rec.Name)
                {
                    Caption = 'Display Name';

                    trigger OnValidate()
                    begin
                        if Rec.Name = '' then
                            Error(BlankNameErr);
                    end;
                }
                field(firstName; Rec."First Name")
                {
                    Caption = 'First Name';
                }
                field(middleName; Rec."Middle Name")
                {
                    Caption = 'Middle Name';
                }
                field(surname; Rec.Surname)
                {
                    Caption = 'Surname';
                }
                field(jobTitle; Rec."Job Title")
                {
                    Caption = 'Job Title';
                }
                field(salutationCode; Rec."Salutation Code")
                {
                    Caption = 'Salutation Code';
                }
                field(companyNumber; Rec."Company No.")
                {
                    Caption = 'Company Number';
                }
                field(companyName; Rec."Company Name")
                {
                    Caption = 'Company Name';
                    Editable = false;
                }
                field(customerId; CustomerId)
                {
                    Caption = 'Customer Id';

                    trigger OnValidate()
                    begin
                        PutToPartner("Contact Business Relation Link To Table"::Customer, CustomerId, CustomerIdErr);
                    end;
                }
                field(vendorId; VendorId)
                {
                    Caption = 'Vendor Id';

                    trigger OnValidate()
                    begin
                        PutToPartner("Contact Business Relation Link To Table"::Vendor, VendorId, VendorIdErr);
                    end;
                }
                field(contactBusinessRelation; Rec."Contact Business Relation")
                {
                    Caption = 'Contact Business Relation';
                    Editable = false;
                }
                field(addressLine1; Rec.Address)
                {
                    Caption = 'Address Line 1';
                }
                field(addressLine2; Rec."Address 2")
                {
                    Caption = 'Address Line 2';
                }
                field(city; Rec.City)
                {
                    Caption = 'City';
                }
                field(state; Rec.County)
                {
                    Caption = 'State';
                }
                field(country; Rec."Country/Region Code")
                {
                    Caption = 'Country/Region Code';
                }
                field(postalCode; Rec."Post Code")
                {
                    Caption = 'Postal Code';
                }
                field(phoneNumber; Rec."Phone No.")
                {
                    Caption = 'Phone Number';
                }
                field(mobilePhoneNumber; Rec."Mobile Phone No.")
                {
                    Caption = 'Mobile Phone Number';
                }
                field(faxNo; Rec."Fax No.")
                {
                    Caption = 'Fax No';
                }
                field(pager; Rec.Pager)
                {
                    Caption = 'Pager';
                }
                field(email; Rec."E-Mail")
                {
                    Caption = 'Email';
                }
                field(website; Rec."Home Page")
                {
                    Caption = 'Website';
                }
                field(salespersonCode; Rec."Salesperson Code")
                {
                    Caption = 'Salesperson Code';
                }
                field(currencyCode; CurrencyCodeText)
                {
                    Caption = 'Currency Code';

                    trigger OnValidate()
                    begin
                        if LocalCurrency.Stored(CurrencyCodeText) <> '' then
                            if not Currency.Get(LocalCurrency.Stored(CurrencyCodeText)) then
                                Error(CurrencyCodeErr);
                        Rec.Validate("Currency Code", LocalCurrency.Stored(CurrencyCodeText));
                    end;
                }
                field(systemRowVersion; Rec.SystemRowVersion)
                {
                    Caption = 'System Row Version';
                    Editable = false;
                }
                field(systemCreatedAt; Rec.SystemCreatedAt)
                {
                    Caption = 'System Created At';
                    Editable = false;
                }
                field(lastModifiedDateTime; Rec.SystemModifiedAt)
                {
                    Caption = 'Last Modified Date';
                    Editable = false;
                }
                field(modifiedBy; ModifiedByName)
                {
                    Caption = 'Modified By';
                    Editable = false;
                }
                field(syncMark; Rec."Twinrow Sync Mark")
                {
                    Caption = 'Sync Mark';

                    trigger OnValidate()
                    begin
                        SyncMarks.CheckUnchanged(Rec."Twinrow Sync Mark", xRec."Twinrow Sync Mark", Rec.SystemCreatedAt);
                    end;
                }
            }
        }
    }

    trigger OnAfterGetRecord()
    begin
        SetComputedValues();
    end;

    trigger OnInsertRecord(BelowxRec: Boolean): Boolean
    begin
        if Rec.Name = '' then
            Error(NameNotProvidedErr);
        // A name that was given before the type could not be split then.
        if (Rec.Type = Rec.Type::Person) and (Rec."First Name" + Rec."Middle Name" + Rec.Surname = '') then
            Rec.Validate(Name);
        Rec.Insert(true);
        SetComputedValues();
        exit(false);
    end;

    trigger OnModifyRecord(): Boolean
    var
        Contact: Record Contact;
    begin
        Contact.GetBySystemId(Rec.SystemId);
        if Rec."No." = Contact."No." then
            Rec.Modify(true)
        else begin
            Contact.TransferFields(Rec, false);
            Contact.Rename(Rec."No.");
            Rec.TransferFields(Contact);
        end;
        SetComputedValues();
        exit(false);
    end;

    trigger OnNewRecord(BelowxRec: Boolean)
    begin
        SetComputedValues();
    end;

    local procedure SetComputedValues()
    begin
        ModifiedByName := UserNames.NameOf(Rec.SystemModifiedBy);
        CurrencyCodeText := LocalCurrency.Shown(Rec."Currency Code");
        CustomerId := ContactLinks.PartnerIdOf("Contact Business Relation Link To Table"::Customer, Rec."Company No.");
        VendorId := ContactLinks.PartnerIdOf("Contact Business Relation Link To Table"::Vendor, Rec."Company No.");
    end;

    local procedure PutToPartner(LinkToTable: Enum "Contact Business Relation Link To Table"; PartnerId: Guid; UnknownIdErr: Text)
    var
        CompanyContactNo: Code[20];
    begin
        if IsNullGuid(PartnerId) then begin
            // Nothing to leave when the person belongs to somebody of the other kind, or to nobody.
            if IsNullGuid(ContactLinks.PartnerIdOf(LinkToTable, Rec."Company No.")) then
                exit;
        end else begin
            CompanyContactNo := ContactLinks.CompanyContactOf(LinkToTable, PartnerId);
            if CompanyContactNo = '' then
                Error(UnknownIdErr);
        end;
        Rec.Validate("Company No.", CompanyContactNo);
    end;

    var
        Currency: Record Currency;
        UserNames: Codeunit "TWR User Names";
        LocalCurrency: Codeunit "TWR Local Currency";
        ContactLinks: Codeunit "TWR Contact Links";
        SyncMarks: Codeunit "TWR Sync Marks";
        ModifiedByName: Text[50];
        CurrencyCodeText: Text;
        CustomerId: Guid;
        VendorId: Guid;
        NameNotProvidedErr: Label 'A "displayName" must be provided.', Comment = 'displayName is a property name.';
        BlankNameErr: Label 'The blank "displayName" is not allowed.', Comment = 'displayName is a property name.';
        CurrencyCodeErr: Label 'The "currencyCode" does not match to a Currency.', Comment = 'currencyCode is a property name.';
        CustomerIdErr: Label 'The "customerId" does not match to a Customer with a contact.', Comment = 'customerId is a property name.';
        VendorIdErr: Label 'The "vendorId" does not match to a Vendor with a contact.', Comment = 'vendorId is a property name.';
}
