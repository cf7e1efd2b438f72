"""Metadata in the form in which it is sent: tables, columns, choices, keys, relationships as JSON objects."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from twinrow.sandbox.dataverse.catalog import Catalog, Table
from twinrow.sandbox.dataverse.environment import Environment
from twinrow.sandbox.dataverse.schema import (
    BASE_LANGUAGE,
    Column,
    Key,
    ManyToMany,
    ManyToOne,
    Option,
    OptionSet,
    metadata_id,
)

Shape = dict[str, Any]

_TYPE_NAMES = {
    "Uniqueidentifier": ("AttributeMetadata", "UniqueidentifierType"),
    "EntityName": ("EntityNameAttributeMetadata", "EntityNameType"),
    "Customer": ("LookupAttributeMetadata", "CustomerType"),
    "Owner": ("LookupAttributeMetadata", "OwnerType"),
    "Virtual": ("AttributeMetadata", "VirtualType"),
    "MultiSelectPicklist": ("MultiSelectPicklistAttributeMetadata", "MultiSelectPicklistType"),
}
_CHOICES = ("Picklist", "State", "Status", "Boolean", "MultiSelectPicklist")


def label(text: str | None, *, managed: bool = True, seed: str = "") -> Shape:
    """A label in the base language; empty for None."""
    return labels({BASE_LANGUAGE: text} if text else {}, managed=managed, seed=seed)


def labels(texts: dict[int, str], *, managed: bool, seed: str) -> Shape:
    """A label in several languages."""
    entries = [
        {
            "Label": text,
            "LanguageCode": language,
            "IsManaged": managed,
            "MetadataId": metadata_id("label", seed, str(language)),
            "HasChanged": None,
        }
        for language, text in texts.items()
    ]
    user = next((entry for entry in entries if entry["LanguageCode"] == BASE_LANGUAGE), entries[0] if entries else None)
    return {"LocalizedLabels": entries, "UserLocalizedLabel": user}


def managed(value: bool, name: str) -> Shape:
    """A managed property."""
    return {"Value": value, "CanBeChanged": True, "ManagedPropertyLogicalName": name}


def entity_id(table: str) -> str:
    """The MetadataId of a table."""
    return metadata_id("entity", table)


def attribute_id(table: str, column: str) -> str:
    """The MetadataId of a column."""
    return metadata_id("attribute", table, column)


def entity_shape(environment: Environment, table: Table) -> Shape:
    """A table, without what is only given when it is expanded."""
    data = table.data
    return {
        "MetadataId": entity_id(table.name),
        "HasChanged": None,
        "LogicalName": table.name,
        "SchemaName": data.schema,
        "EntitySetName": table.set,
        "LogicalCollectionName": table.set,
        "CollectionSchemaName": data.plural.replace(" ", ""),
        "ObjectTypeCode": data.code,
        "PrimaryIdAttribute": table.id,
        "PrimaryNameAttribute": table.primary_name,
        "PrimaryImageAttribute": "entityimage" if "entityimage" in table.columns else None,
        "OwnershipType": data.ownership,
        "DisplayName": label(data.label, managed=not data.custom, seed=f"{table.name}.display"),
        "DisplayCollectionName": label(data.plural, managed=not data.custom, seed=f"{table.name}.plural"),
        "Description": label(None),
        "IsCustomEntity": data.custom,
        "IsActivity": table.name == "task",
        "IsIntersect": False,
        "IsPrivate": False,
        "IsManaged": not data.custom,
        "IsLogicalEntity": False,
        "IsValidForAdvancedFind": True,
        "IsCustomizable": managed(True, "iscustomizable"),
        "ChangeTrackingEnabled": environment.tracks_changes(table.name),
        "CanChangeTrackingBeEnabled": managed(True, "canchangetrackingbeenabled"),
        "IsOptimisticConcurrencyEnabled": environment.checks_versions(table.name),
        "TableType": "Standard",
        "DataProviderId": None,
        "DataSourceId": None,
    }


def attribute_type(column: Column) -> tuple[str, str]:
    """The metadata type of a column and its type name."""
    if column.type in _TYPE_NAMES:
        return _TYPE_NAMES[column.type]
    return f"{column.type}AttributeMetadata", f"{column.type}Type"


def attribute_shape(table: Table, column: Column, number: int) -> Shape:
    """A column with the properties of its own metadata type, without its choice."""
    kind, type_name = attribute_type(column)
    created = column.writable(creating=True) and not column.hidden
    changed = column.writable(creating=False) and not column.hidden
    shape: Shape = {
        "@odata.type": f"#Microsoft.Dynamics.CRM.{kind}",
        "MetadataId": attribute_id(table.name, column.name),
        "HasChanged": None,
        "LogicalName": column.name,
        "SchemaName": column.schema,
        "EntityLogicalName": table.name,
        "AttributeType": column.type if column.type != "MultiSelectPicklist" else "Virtual",
        "AttributeTypeName": {"Value": type_name},
        "AttributeOf": _described(table, column),
        "ColumnNumber": number,
        "DisplayName": label(column.label, managed=not column.custom, seed=f"{table.name}.{column.name}"),
        "Description": label(None),
        "RequiredLevel": {
            "Value": column.required,
            "CanBeChanged": column.required != "SystemRequired",
            "ManagedPropertyLogicalName": "canmodifyrequirementlevelsettings",
        },
        "IsCustomAttribute": column.custom,
        "IsManaged": not column.custom,
        "IsPrimaryId": column.name == table.id,
        "IsPrimaryName": column.name == table.primary_name,
        "IsValidForCreate": created,
        "IsValidForUpdate": changed and column.name != table.id,
        "IsValidForRead": not column.secret,
        "IsValidODataAttribute": column.stored,
        "IsFilterable": column.stored,
        "IsLogical": column.hidden,
        "IsSecured": False,
        "IsCustomizable": managed(True, "iscustomizable"),
        "SourceType": 0 if not column.is_lookup else None,
    }
    return shape | _typed(table, column)


def _described(table: Table, column: Column) -> str | None:
    """The column whose value a companion column shows."""
    if not column.hidden:
        return None
    for suffix in ("name", "type"):
        described = column.name.removesuffix(suffix)
        if described != column.name and described in table.columns:
            return described
    return None


def _typed(table: Table, column: Column) -> Shape:
    match column.type:
        case "String" | "Memo":
            format_name = {"Value": column.format or ("TextArea" if column.type == "Memo" else "Text")}
            return {"MaxLength": column.length, "Format": format_name["Value"], "FormatName": format_name}
        case "Integer" | "BigInt":
            limits = {"MinValue": _bound(column.min, -(2**31)), "MaxValue": _bound(column.max, 2**31 - 1)}
            return {**limits, "Format": "None"}
        case "Decimal" | "Double":
            limits = {"MinValue": _bound(column.min, -100_000_000_000), "MaxValue": _bound(column.max, 100_000_000_000)}
            return {**limits, "Precision": column.precision}
        case "Money":
            limits = {
                "MinValue": _bound(column.min, -922_337_203_685_477),
                "MaxValue": _bound(column.max, 922_337_203_685_477),
            }
            base = column.name.endswith("_base")
            calculated = column.name.removesuffix("_base") if base else None
            return {
                **limits,
                "Precision": column.precision,
                "PrecisionSource": column.precision_source,
                "IsBaseCurrency": base,
                "CalculationOf": calculated,
            }
        case "DateTime":
            behaviour = "DateOnly" if column.date_only else "UserLocal"
            return {"Format": column.format or "DateAndTime", "DateTimeBehavior": {"Value": behaviour}}
        case "Lookup" | "Owner" | "Customer":
            return {"Targets": column.targets, "Format": "None"}
        case "Boolean":
            return {"DefaultValue": column.default == 1}
        case "Picklist" | "MultiSelectPicklist":
            return {"DefaultFormValue": column.default if column.default is not None else -1}
    del table
    return {}


def _bound(value: Decimal | None, default: int) -> Any:
    if value is None:
        return default
    return int(value) if value == value.to_integral_value() else value


def is_choice(column: Column) -> bool:
    """Whether the column's metadata has an option set."""
    return column.type in _CHOICES


def option_set_shape(table: Table, column: Column) -> Shape:
    """The choice of a column, as its metadata expands it."""
    options = table.options[column.name]
    seed = f"{table.name}.{column.name}"
    head: Shape = {
        "MetadataId": metadata_id("optionset", seed),
        "HasChanged": None,
        "IsCustomOptionSet": column.custom,
        "IsGlobal": False,
        "IsManaged": not column.custom,
        "Name": f"{table.name}_{column.name}",
        "DisplayName": label(column.label, seed=f"{seed}.set"),
        "Description": label(None),
        "OptionSetType": column.type if column.type != "MultiSelectPicklist" else "Picklist",
    }
    if column.type == "Boolean":
        by_value = {option.value: option_shape(option, column, options, seed) for option in options}
        return {**head, "TrueOption": by_value[1], "FalseOption": by_value[0]}
    return {**head, "Options": [option_shape(option, column, options, seed) for option in options]}


def global_option_set_shape(option_set: OptionSet) -> Shape:
    """A shared choice."""
    return {
        "@odata.type": "#Microsoft.Dynamics.CRM.OptionSetMetadata",
        "MetadataId": metadata_id("global", option_set.name),
        "HasChanged": None,
        "IsCustomOptionSet": True,
        "IsGlobal": True,
        "IsManaged": False,
        "Name": option_set.name,
        "DisplayName": label(option_set.label, managed=False, seed=f"global.{option_set.name}"),
        "Description": label(None),
        "OptionSetType": "Picklist",
        "Options": [option_shape(option, None, option_set.options, option_set.name) for option in option_set.options],
    }


def option_shape(option: Option, column: Column | None, options: list[Option], seed: str) -> Shape:
    """One option; states tell their default status, status reasons their state."""
    kind = column.type if column else "Picklist"
    shape: Shape = {
        "Value": option.value,
        "Color": option.color,
        "IsManaged": column is not None and not column.custom,
        "ExternalValue": option.external_value,
        "ParentValues": [],
        "Tag": None,
        "IsHidden": False,
        "MetadataId": None,
        "HasChanged": None,
        "Label": labels(option.labels, managed=column is not None, seed=f"{seed}.{option.value}"),
        "Description": label(option.description, seed=f"{seed}.{option.value}.description"),
    }
    if kind == "State":
        states = [str(other.value) for other in options]
        return {
            "@odata.type": "#Microsoft.Dynamics.CRM.StateOptionMetadata",
            **shape,
            "DefaultStatus": None,
            "InvariantName": option.label.replace(" ", "") or states[0],
        }
    if kind == "Status":
        return {
            "@odata.type": "#Microsoft.Dynamics.CRM.StatusOptionMetadata",
            **shape,
            "State": option.state,
            "TransitionData": None,
        }
    return shape


def with_default_status(table: Table, shape: Shape) -> Shape:
    """The states of a table's choice of states with the status that each begins with."""
    for option in shape["Options"]:
        reasons = [r.value for r in table.options.get("statuscode", []) if r.state == option["Value"]]
        option["DefaultStatus"] = reasons[0] if reasons else None
    return shape


def key_shape(table: Table, key: Key) -> Shape:
    """An alternate key."""
    return {
        "MetadataId": metadata_id("key", table.name, key.name),
        "HasChanged": None,
        "LogicalName": key.name.lower(),
        "SchemaName": key.name,
        "EntityLogicalName": table.name,
        "KeyAttributes": key.columns,
        "EntityKeyIndexStatus": "Active",
        "DisplayName": label(key.label, managed=False, seed=f"key.{table.name}.{key.name}"),
        "IsManaged": False,
        "IsCustomizable": managed(True, "iscustomizable"),
    }


def many_to_one_shape(catalog: Catalog, relationship: ManyToOne) -> Shape:
    """A relationship over a lookup, the same from either side."""
    target = "owner" if relationship.column == "ownerid" else relationship.target
    referenced = "ownerid" if target == "owner" else catalog.tables[relationship.target].id
    return {
        "@odata.type": "#Microsoft.Dynamics.CRM.OneToManyRelationshipMetadata",
        "MetadataId": metadata_id("relationship", relationship.name, relationship.table, target),
        "HasChanged": None,
        "SchemaName": relationship.name,
        "RelationshipType": "OneToManyRelationship",
        "IsCustomRelationship": relationship.custom,
        "IsManaged": True,
        "ReferencedEntity": target,
        "ReferencedAttribute": referenced,
        "ReferencedEntityNavigationPropertyName": relationship.name,
        "ReferencingEntity": relationship.table,
        "ReferencingAttribute": relationship.column,
        "ReferencingEntityNavigationPropertyName": relationship.navigation,
        "IsHierarchical": relationship.table == relationship.target,
        "CascadeConfiguration": {
            "Assign": "NoCascade",
            "Delete": relationship.delete,
            "Merge": "NoCascade",
            "Reparent": "NoCascade",
            "Share": "NoCascade",
            "Unshare": "NoCascade",
        },
    }


def many_to_many_shape(catalog: Catalog, relationship: ManyToMany) -> Shape:
    """A many-to-many relationship."""
    first, second = (catalog.tables[name] for name in relationship.tables)
    return {
        "@odata.type": "#Microsoft.Dynamics.CRM.ManyToManyRelationshipMetadata",
        "MetadataId": metadata_id("relationship", relationship.name),
        "HasChanged": None,
        "SchemaName": relationship.name,
        "RelationshipType": "ManyToManyRelationship",
        "IsCustomRelationship": relationship.custom,
        "IsManaged": True,
        "IntersectEntityName": relationship.intersect,
        "Entity1LogicalName": first.name,
        "Entity1IntersectAttribute": first.id,
        "Entity1NavigationPropertyName": relationship.name,
        "Entity2LogicalName": second.name,
        "Entity2IntersectAttribute": second.id,
        "Entity2NavigationPropertyName": relationship.name,
    }
