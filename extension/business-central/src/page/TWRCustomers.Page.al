namespace Twinrow.Sync;

using Microsoft.Finance.Currency;
using Microsoft.Foundation.PaymentTerms;
using Microsoft.Foundation.Shipping;
using Microsoft.Sales.Customer;

/// <summary>
/// Customers with what the standard page lacks: contact name, primary contact, fax, mobile phone, shipping agent.
/// </summary>
page 50100 "TWR Customers"
{
    PageType = API;
    APIPublisher = 'twinrow';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'customer';
    EntitySetName = 'customers';
    SourceTable = Customer;
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
                field(displayName; Rec.Name)
                {
                    Caption = 'Display Name';

                    trigger OnValidate()
                    begin
                        if Rec.Name = '' then
                            Error(BlankNameErr);
                    end;
                }
                field(type; Rec."Contact Type")
                {
                    Caption = 'Type';
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
                field(mobilePhoneNo; Rec."Mobile Phone No.")
                {
                    Caption = 'Mobile Phone No';
                }
                field(faxNo; Rec."Fax No.")
                {
                    Caption = 'Fax No';
                }
                field(email; Rec."E-Mail")
                {
                    Caption = 'Email';
                }
                field(website; Rec."Home Page")
                {
                    Caption = 'Website';
                }
                field(contact; ContactName)
                {
                    Caption = 'Contact';

                    trigger OnValidate()
                    begin
                        // Written as it is: validating the name would make a further contact of it.
                        Rec.Contact := CopyStr(ContactName, 1, MaxStrLen(Rec.Contact));
                    end;
                }
                field(primaryContactNo; Rec."Primary Contact No.")
                {
                    Caption = 'Primary Contact No';
                }
                field(salespersonCode; Rec."Salesperson Code")
                {
                    Caption = 'Salesperson Code';
                }
                field(creditLimit; Rec."Credit Limit (LCY)")
                {
                    Caption = 'Credit Limit';
                }
                field(currencyId; Rec."Currency Id")
                {
                    Caption = 'Currency Id';

                    trigger OnValidate()
                    begin
                        if IsNullGuid(Rec."Currency Id") then
                            Rec."Currency Code" := ''
                        else begin
                            if not Currency.GetBySystemId(Rec."Currency Id") then
                                Error(CurrencyIdErr);
                            if (GivenCurrencyCode <> '') and (GivenCurrencyCode <> Currency.Code) then
                                Error(CurrencyValuesErr);
                            Rec."Currency Code" := Currency.Code;
                            GivenCurrencyCode := Currency.Code;
                        end;
                    end;
                }
                field(currencyCode; CurrencyCodeText)
                {
                    Caption = 'Currency Code';

                    trigger OnValidate()
                    begin
                        Rec."Currency Code" := LocalCurrency.Stored(CurrencyCodeText);
                        if Rec."Currency Code" = '' then begin
                            Clear(Rec."Currency Id");
                            exit;
                        end;
                        if (GivenCurrencyCode <> '') and (GivenCurrencyCode <> Rec."Currency Code") then
                            Error(CurrencyValuesErr);
                        if not Currency.Get(Rec."Currency Code") then
                            Error(CurrencyCodeErr);
                        Rec."Currency Id" := Currency.SystemId;
                        GivenCurrencyCode := Currency.Code;
                    end;
                }
                field(paymentTermsId; Rec."Payment Terms Id")
                {
                    Caption = 'Payment Terms Id';

                    trigger OnValidate()
                    begin
                        if IsNullGuid(Rec."Payment Terms Id") then
                            Rec."Payment Terms Code" := ''
                        else begin
                            if not PaymentTerms.GetBySystemId(Rec."Payment Terms Id") then
                                Error(PaymentTermsIdErr);
                            Rec."Payment Terms Code" := PaymentTerms.Code;
                        end;
                    end;
                }
                field(shipmentMethodId; Rec."Shipment Method Id")
                {
                    Caption = 'Shipment Method Id';

                    trigger OnValidate()
                    begin
                        if IsNullGuid(Rec."Shipment Method Id") then
                            Rec."Shipment Method Code" := ''
                        else begin
                            if not ShipmentMethod.GetBySystemId(Rec."Shipment Method Id") then
                                Error(ShipmentMethodIdErr);
                            Rec."Shipment Method Code" := ShipmentMethod.Code;
                        end;
                    end;
                }
                field(shippingAgentCode; Rec."Shipping Agent Code")
                {
                    Caption = 'Shipping Agent Code';
                }
                field(blocked; Rec.Blocked)
                {
                    Caption = 'Blocked';
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
        Rec.Insert(true);
        SetComputedValues();
        exit(false);
    end;

    trigger OnModifyRecord(): Boolean
    var
        Customer: Record Customer;
    begin
        Customer.GetBySystemId(Rec.SystemId);
        if Rec."No." = Customer."No." then
            Rec.Modify(true)
        else begin
            Customer.TransferFields(Rec, false);
            Customer.Rename(Rec."No.");
            Rec.TransferFields(Customer);
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
        ContactName := Rec.Contact;
        GivenCurrencyCode := '';
    end;

    var
        Currency: Record Currency;
        PaymentTerms: Record "Payment Terms";
        ShipmentMethod: Record "Shipment Method";
        UserNames: Codeunit "TWR User Names";
        LocalCurrency: Codeunit "TWR Local Currency";
        SyncMarks: Codeunit "TWR Sync Marks";
        ModifiedByName: Text[50];
        CurrencyCodeText: Text;
        ContactName: Text[100];
        GivenCurrencyCode: Code[10];
        NameNotProvidedErr: Label 'A "displayName" must be provided.', Comment = 'displayName is a property name.';
        BlankNameErr: Label 'The blank "displayName" is not allowed.', Comment = 'displayName is a property name.';
        CurrencyValuesErr: Label 'The currency values do not match to a specific Currency.';
        CurrencyIdErr: Label 'The "currencyId" does not match to a Currency.', Comment = 'currencyId is a property name.';
        CurrencyCodeErr: Label 'The "currencyCode" does not match to a Currency.', Comment = 'currencyCode is a property name.';
        PaymentTermsIdErr: Label 'The "paymentTermsId" does not match to a Payment Terms.', Comment = 'paymentTermsId is a property name.';
        ShipmentMethodIdErr: Label 'The "shipmentMethodId" does not match to a Shipment Method.', Comment = 'shipmentMethodId is a property name.';
}
