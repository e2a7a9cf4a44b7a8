using PSCrac.Images.Manifest;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Starting.Fingerprints;

/// <summary>
/// The fingerprint of a start. It is taken before the program starts, since the program may have read a file before the file
/// changes; and it is completed before the checkpoint, when the files that the program itself wrote are known.
/// </summary>
internal sealed class StartFingerprint
{
    private readonly StartedCommand _command;
    private readonly Dictionary<string, ImageManifestStartFile> _before = new(StringComparer.Ordinal);

    private StartFingerprint(StartedCommand command)
    {
        _command = command;
        CommandFiles files = CommandFiles.Find(command, command.DependsOn);
        foreach ((string path, ImageManifestStartRole role) in files.Roles)
        {
            ImageManifestStartFile file = FileFingerprint.Read(path, role);
            bool isJar = role == ImageManifestStartRole.ClassPath && path.EndsWith(".jar", StringComparison.OrdinalIgnoreCase);
            _before[path] = isJar && files.ReadClassPath(path) is { Count: > 0 } entries ? file with { ClassPath = entries } : file;
        }

        CrowdedFolders = files.CrowdedFolders;
        Unmatched = files.Unmatched;
    }

    /// <summary>Folders of the program with too many files to compare.</summary>
    internal IReadOnlyList<string> CrowdedFolders { get; }

    /// <summary>Paths and patterns of -DependsOn that match nothing.</summary>
    internal IReadOnlyList<string> Unmatched { get; }

    /// <summary>Takes the fingerprint of a command line before its start. Only files that name others are read, such as scripts' first lines.</summary>
    /// <exception cref="CracException"><see cref="CracReason.OptionRefused"/>: -DependsOn matches too many files.</exception>
    internal static StartFingerprint Take(StartedCommand command) => new(command);

    /// <summary>Completes it: adds the hashes, and marks the files that the program wrote.</summary>
    /// <param name="processId">The program, which still runs.</param>
    internal ImageManifestStart Complete(int processId)
    {
        var files = new SortedDictionary<string, ImageManifestStartFile>(StringComparer.Ordinal);
        HashSet<(ulong, uint, uint)> written = FindWritten(processId);
        foreach (ImageManifestStartFile before in _before.Values)
        {
            files[before.Path] = Complete(before, written);
        }

        // A new file was written by the program, or, if it is code, deployed meanwhile: then the next start finds it new.
        foreach ((string path, ImageManifestStartRole role) in CommandFiles.Find(_command, []).Roles)
        {
            if (!_before.ContainsKey(path) && role != ImageManifestStartRole.Argument && MayBeWritten(path, role))
            {
                files[path] = AsWritten(path, role);
            }
        }

        return new ImageManifestStart
        {
            Program = _command.Program,
            Arguments = _command.Arguments,
            WorkingDirectory = _command.WorkingDirectory,
            Environment = new SortedDictionary<string, string?>(new Dictionary<string, string?>(_command.Environment), StringComparer.Ordinal),
            StandardInputPath = _command.StandardInputPath,
            StandardOutputPath = _command.StandardOutputPath,
            StandardErrorPath = _command.StandardErrorPath,
            DependsOn = _command.DependsOn,
            Files = [.. files.Values],
        };
    }

    private static ImageManifestStartFile Complete(ImageManifestStartFile before, HashSet<(ulong, uint, uint)> written)
    {
        ImageManifestStartFile now = FileFingerprint.Read(before.Path, before.Role);
        bool isSame = now.Size == before.Size && now.Modified == before.Modified;
        if (MayBeWritten(before.Path, before.Role))
        {
            bool isOpen = FileFingerprint.TryStat(before.Path, out LibC.Statx status) && written.Contains((status.Inode, status.DeviceMajor, status.DeviceMinor));
            if (!isSame || isOpen)
            {
                return AsWritten(before.Path, before.Role);
            }
        }

        // With its old time and no hash, the next start finds it changed.
        return isSame ? FileFingerprint.AddHash(now with { ClassPath = before.ClassPath }) : before;
    }

    private static ImageManifestStartFile AsWritten(string path, ImageManifestStartRole role) => new() { Path = path, Role = role, IsWritten = true };

    // Arguments also name logs and pid files, and a program may keep data in its folder; but it does not write its own code.
    private static bool MayBeWritten(string path, ImageManifestStartRole role) => role switch
    {
        ImageManifestStartRole.Argument => true,
        ImageManifestStartRole.Application or ImageManifestStartRole.ClassPath =>
            Path.GetExtension(path) is not (".dll" or ".exe" or ".so" or ".class" or ".jar" or ".jmod"),
        _ => false,
    };

    // The files that the tree has open for writing, by inode and device.
    private static HashSet<(ulong Inode, uint DeviceMajor, uint DeviceMinor)> FindWritten(int processId)
    {
        var written = new HashSet<(ulong, uint, uint)>();
        foreach (ProcessTreeMember member in ProcessTree.Read(processId).Members)
        {
            using ProcessDirectory? directory = ProcessDirectory.TryOpen(member.ProcessId);
            foreach (ProcessDescriptor descriptor in directory is null ? [] : DescriptorTable.TryRead(directory) ?? [])
            {
                if (descriptor.Kind == DescriptorKind.RegularFile && descriptor.CanWrite)
                {
                    written.Add((descriptor.Status.Inode, descriptor.Status.Device.Major, descriptor.Status.Device.Minor));
                }
            }
        }

        return written;
    }
}
