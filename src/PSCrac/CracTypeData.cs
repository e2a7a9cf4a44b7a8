using System.Management.Automation;
using System.Management.Automation.Runspaces;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace PSCrac;

/// <summary>
/// The type data of the engine's types: the hidden properties (<see cref="CracHiddenProperty"/>), what of an object is
/// serialized, and how a decoded record shows its fields. A file named by the manifest's TypesToProcess would be read at each
/// import, for longer than the rest of it takes; this is done when the first object is written. The formats cannot come as late:
/// what a script writes is formatted by views that were there when it wrote its first object.
/// </summary>
internal static class CracTypeData
{
    private static readonly ConditionalWeakTable<Runspace, object> s_told = [];

    /// <summary>Loads it into the current runspace, once. Must run on a pipeline's thread.</summary>
    /// <exception cref="PipelineStoppedException">The pipeline was stopped meanwhile.</exception>
    internal static void Load()
    {
        if (Runspace.DefaultRunspace is not { } runspace || s_told.TryGetValue(runspace, out _))
        {
            return;
        }

        // By the cmdlet's class, not its name: a session may use the name for something else, or have module loading turned off.
        Type update = Type.GetType("Microsoft.PowerShell.Commands.UpdateTypeDataCommand, Microsoft.PowerShell.Commands.Utility", throwOnError: true)!;
        using var shell = PowerShell.Create(RunspaceMode.CurrentRunspace);
        shell.AddCommand(new CmdletInfo("Update-TypeData", update))
            .AddParameter("TypeData", Create())
            .AddParameter("Force", true)
            .AddParameter("WhatIf", false)
            .AddParameter("Confirm", false)
            .Invoke();
        s_told.AddOrUpdate(runspace, runspace);
    }

    private static TypeData[] Create()
    {
        var byType = new Dictionary<Type, TypeData>();
        foreach (MethodInfo getter in typeof(CracHiddenProperty).GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly))
        {
            var (type, name) = CracHiddenProperty.Of(getter);
            if (!byType.TryGetValue(type, out TypeData? data))
            {
                data = new TypeData(type.FullName!)
                {
                    SerializationMethod = "SpecificProperties",
                    PropertySerializationSet = new PropertySetData(Array.ConvertAll(type.GetProperties(), static property => property.Name)),
                };
                byType.Add(type, data);
            }

            data.Members.Add(name, new CodePropertyData(name, getter, null) { IsHidden = true });
        }

        Type adapter = typeof(CracImageRecordAdapter);
        return
        [
            .. byType.Values,
            new TypeData(typeof(CracImageRecord).FullName!) { TypeAdapter = adapter },
            new TypeData(typeof(CracImageEntry).FullName!) { TypeAdapter = adapter },
        ];
    }
}
