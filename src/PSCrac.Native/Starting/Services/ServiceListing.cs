using PSCrac.Images.Model;
using PSCrac.Running;

namespace PSCrac.Starting.Services;

/// <summary>Collects what is known of a service: its description, its images, its process and its unit.</summary>
/// <param name="command">The command that is crac-start; null where it cannot run.</param>
/// <param name="unitFolder">The folder of the units; null for systemd's.</param>
internal sealed class ServiceListing(IReadOnlyList<string>? command, string? unitFolder = null)
{
    private readonly UnitFolder _units = new(unitFolder ?? UnitFolder.Default);
    private readonly IReadOnlyList<RunningProcess> _running = RunningProcesses.Read();

    /// <summary>Reads a service.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="CracException">Its description is missing, invalid or not trusted.</exception>
    internal CracService Read(string name)
    {
        ServiceDescription description = ServiceStore.Read(name);
        IReadOnlyList<ServiceImage> images = new ServiceImages(name).ReadAll();
        RunningProcess? process = _running.LastOrDefault(record => record.Service == name);
        return new CracService(name, ServiceStore.PathOf(name))
        {
            ProcessId = process?.ProcessId,
            Since = process?.Since.LocalDateTime,
            IsRestored = process is null ? null : process.ImagePath is not null,
            Image = FindNewest(images),
            ImageCount = images.Count(static image => !image.IsSetAside),
            SetAsideCount = images.Count(static image => image.IsSetAside),
            Command = string.Join(' ', [description.FilePath, .. description.Arguments]),
            CheckpointEvery = description.CheckpointEvery,
            Keep = description.Keep,
            RestartFrom = description.RestartFrom,
            UnitPath = _units.Read(name) is { } unit && ServiceUnit.IsOf(unit, name) ? _units.PathOf(name) : null,
            EntryPoint = command is null ? null : string.Join(' ', [.. command.Select(Quote), name]),
        };
    }

    private static CracImage? FindNewest(IReadOnlyList<ServiceImage> newestFirst) =>
        ImageSeries.FindNewest([.. newestFirst.Select(static image => image.Path).Reverse()]) is { } path ? ImageSeries.TryOpen(path) : null;

    // For sh: nothing is special between single quotes but the quote.
    private static string Quote(string word) =>
        word.Length > 0 && word.All(static c => char.IsAsciiLetterOrDigit(c) || c is '/' or '.' or '_' or '-' or '+' or '@' or ':' or ',')
            ? word : $"'{word.Replace("'", @"'\''", StringComparison.Ordinal)}'";
}
