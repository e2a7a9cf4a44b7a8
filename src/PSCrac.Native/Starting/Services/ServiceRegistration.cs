using System.Text;
using PSCrac.Images.Operations;
using PSCrac.Running;

namespace PSCrac.Starting.Services;

/// <summary>Registers a service: its description, and its unit where systemd runs.</summary>
internal sealed class ServiceRegistration
{
    private readonly ServiceDescription _description;
    private readonly UnitFolder? _units;
    private readonly string? _unit;
    private readonly bool _force;

    private ServiceRegistration(ServiceDescription description, UnitFolder? units, string? unit, bool force) =>
        (_description, _units, _unit, _force) = (description, units, unit, force);

    /// <summary>What will be written, for a person.</summary>
    internal string Preview
    {
        get
        {
            string description = $"Write {ServiceStore.PathOf(_description.Name)}:\n{Encoding.UTF8.GetString(ServiceStore.Serialize(_description))}";
            return _unit is null ? description : $"{description}\nWrite {_units!.PathOf(_description.Name)}:\n{_unit}";
        }
    }

    /// <summary>Prepares a registration. Nothing is written.</summary>
    /// <param name="description">The service.</param>
    /// <param name="unitFolder">The folder of the unit; null for systemd's, and for no unit where systemd does not run.</param>
    /// <param name="unitOptions">Settings of the unit's section [Service].</param>
    /// <param name="command">The command that is crac-start.</param>
    /// <param name="force">Whether a description or a unit that is there is replaced.</param>
    /// <exception cref="CracException">
    /// <see cref="CracReason.OptionRefused"/> or <see cref="CracReason.ServiceInvalid"/>: a value is not possible;
    /// <see cref="CracReason.ServiceExists"/>: there is such a service, or a unit of this name.
    /// </exception>
    internal static ServiceRegistration Prepare(
        ServiceDescription description, string? unitFolder, IReadOnlyDictionary<string, string> unitOptions, IReadOnlyList<string> command, bool force)
    {
        ServiceStore.RequireValid(description);
        RequireUnitOptions(unitOptions);
        UnitFolder? units = unitFolder is not null ? new UnitFolder(unitFolder) : UnitFolder.IsSystemdRunning ? new UnitFolder(UnitFolder.Default) : null;
        if (!force)
        {
            RequireNew(description.Name, units);
        }

        return new ServiceRegistration(
            description, units, units is null ? null : ServiceUnit.Create(description, command, unitOptions, UnitFolder.Target), force);
    }

    /// <summary>Writes the description and the unit.</summary>
    /// <returns>What systemd says against the unit; sentences.</returns>
    /// <exception cref="CracException">A file could not be written.</exception>
    internal IReadOnlyList<string> Write()
    {
        string name = _description.Name;
        ServiceStore.Write(_description, _force);
        var warnings = new List<string>();
        if (_unit is null)
        {
            return warnings;
        }

        _units!.Write(name, _unit);
        if (_units.Verify(name) is { } complaint)
        {
            warnings.Add($"systemd-analyze verify says of the unit: {complaint}");
        }

        if (UnitFolder.Reload() is { } failure)
        {
            warnings.Add($"systemctl daemon-reload failed: {failure}");
        }

        return warnings;
    }

    /// <summary>Refuses a service that cannot be removed.</summary>
    /// <param name="name">The service.</param>
    /// <param name="force">Whether it may run.</param>
    /// <exception cref="CracException"><see cref="CracReason.ServiceNotFound"/>; <see cref="CracReason.ServiceRunning"/>.</exception>
    internal static void RequireRemovable(string name, bool force)
    {
        ServiceStore.RequireFound(name);
        if (force)
        {
            return;
        }

        ServiceLock.RequireFree(name);
        if (RunningProcesses.Read().FirstOrDefault(record => record.Service == name) is { } running)
        {
            throw new CracException(
                CracReason.ServiceRunning,
                $"The service {name} runs, as process {running.ProcessId}.",
                $"End it first, such as with systemctl stop {name}; or add -Force, and it runs on without its description.");
        }
    }

    /// <summary>Removes a service's description and its unit, which stays if PSCrac did not write it, and its images if asked to.</summary>
    /// <param name="name">The service.</param>
    /// <param name="unitFolder">The folder of the unit; null for systemd's.</param>
    /// <param name="removesImages">Whether its images are removed too.</param>
    /// <returns>What stays, or could not be done; sentences.</returns>
    /// <exception cref="CracException"><see cref="CracReason.ServiceNotFound"/>; <see cref="CracReason.PermissionDenied"/>: a file could not be removed.</exception>
    internal static IReadOnlyList<string> Remove(string name, string? unitFolder, bool removesImages)
    {
        ServiceStore.Remove(name);
        ServiceLock.Remove(name);
        var warnings = new List<string>();
        var units = new UnitFolder(unitFolder ?? UnitFolder.Default);
        string? unit = units.Read(name);
        if (unit is not null && ServiceUnit.IsOf(unit, name))
        {
            units.Remove(name);
            if (UnitFolder.Reload() is { } failure)
            {
                warnings.Add($"systemctl daemon-reload failed: {failure}");
            }
        }
        else if (unit is not null)
        {
            warnings.Add($"The unit {units.PathOf(name)} was not written by Register-CracService, and stays.");
        }

        if (removesImages)
        {
            warnings.AddRange(RemoveImages(name));
        }

        return warnings;
    }

    private static List<string> RemoveImages(string name)
    {
        var warnings = new List<string>();
        var images = new ServiceImages(name);
        foreach (ServiceImage image in images.ReadAll())
        {
            try
            {
                IReadOnlyList<string> left = ImageRemoval.Remove(CracImage.Open(image.Path), force: false);
                if (left.Count > 0)
                {
                    warnings.Add($"{string.Join(", ", left)} {(left.Count == 1 ? "is" : "are")} not of the image, and left there.");
                }
            }
            catch (CracException e)
            {
                warnings.Add($"The image {image.Path} stays: {e.Message}");
            }
        }

        images.RemoveFolder();
        return warnings;
    }

    private static void RequireNew(string name, UnitFolder? units)
    {
        ServiceStore.RequireFree(name);
        if (units?.FindExisting(name) is { } unit)
        {
            throw new CracException(CracReason.ServiceExists, $"There is a unit {unit}.", "Give another name, or -Force to replace it, or to have the new one take precedence.");
        }
    }

    private static void RequireUnitOptions(IReadOnlyDictionary<string, string> options)
    {
        foreach ((string name, string value) in options)
        {
            if (name.Length == 0 || name.Any(static c => !char.IsAsciiLetterOrDigit(c)) || value.Any(char.IsControl) || value.EndsWith('\\'))
            {
                throw new CracException(
                    CracReason.OptionRefused,
                    $"-UnitOption {name} cannot be a line of a unit: {value}",
                    "Give names of systemd.service(5) or systemd.exec(5), such as @{ MemoryMax = '1G' }, and values of one line.");
            }
        }
    }
}
