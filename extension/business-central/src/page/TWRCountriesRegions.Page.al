namespace Twinrow.Sync;

using Microsoft.Foundation.Address;

/// <summary>
/// Countries and regions, with their ISO codes.
/// </summary>
page 50109 "TWR Countries/Regions"
{
    PageType = API;
    APIPublisher = 'twinrow';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'countryRegion';
    EntitySetName = 'countriesRegions';
    SourceTable = "Country/Region";
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
                field(code; Rec.Code)
                {
                    Caption = 'Code';
                }
                field(displayName; Rec.Name)
                {
                    Caption = 'Display Name';
                }
                field(addressFormat; Rec."Address Format")
                {
                    Caption = 'Address Format';
                }
                field(isoCode; Rec."ISO Code")
                {
                    Caption = 'ISO Code';
                }
                field(isoNumericCode; Rec."ISO Numeric Code")
                {
                    Caption = 'ISO Numeric Code';
                }
                field(euCountryRegionCode; Rec."EU Country/Region Code")
                {
                    Caption = 'EU Country/Region Code';
                }
                field(countyName; Rec."County Name")
                {
                    Caption = 'County Name';
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
        Rec.Insert(true);
        SetComputedValues();
        exit(false);
    end;

    trigger OnModifyRecord(): Boolean
    var
        CountryRegion: Record "Country/Region";
    begin
        CountryRegion.GetBySystemId(Rec.SystemId);
        if Rec.Code = CountryRegion.Code then
            Rec.Modify(true)
        else begin
            CountryRegion.TransferFields(Rec, false);
            CountryRegion.Rename(Rec.Code);
            Rec.TransferFields(CountryRegion);
        end;
        SetComputedValues();
        exit(false);
    end;

    local procedure SetComputedValues()
    begin
        ModifiedByName := UserNames.NameOf(Rec.SystemModifiedBy);
    end;

    var
        UserNames: Codeunit "TWR User Names";
        SyncMarks: Codeunit "TWR Sync Marks";
        ModifiedByName: Text[50];
}
