using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Starting.Services;

/// <summary>
/// The descriptions of services: a file NAME.json for each in a folder of the state folder. What they name is run, often as root, so
/// a description is read only where nobody but root and the caller could have written it.
/// </summary>
internal static class ServiceStore
{
    private const string Extension = ".json";
    private const uint FolderMode = 0x1ED; // 0755
    private const uint FileMode = 0x180; // 0600, since the environment may hold secrets
    private const int MaximumSize = 1 << 20;
    private static readonly ServiceDescriptionJson s_format = new(new JsonSerializerOptions(ServiceDescriptionJson.Default.Options)
    {
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });

    /// <summary>The folder of the descriptions. It need not exist.</summary>
    internal static string Folder => Path.Combine(StateDirectory.Path, "services");

    /// <summary>The path of a service's description, which need not exist.</summary>
    /// <param name="name">The service.</param>
    /// <exception cref="CracException"><see cref="CracReason.OptionRefused"/>: the name is not valid.</exception>
    internal static string PathOf(string name)
    {
        ServiceDescriptionCheck.RequireName(name);
        return Path.Combine(Folder, name + Extension);
    }

    /// <summary>The names of the services that have a description, ordered; empty if the folder does not exist.</summary>
    internal static IReadOnlyList<string> ReadNames()
    {
        using FolderHandle? folder = FolderHandle.TryOpen(Folder, out _);
        List<string> names = [.. (folder?.ReadNames() ?? [])
            .Where(static file => file.EndsWith(Extension, StringComparison.Ordinal))
            .Select(static file => file[..^Extension.Length])
            .Where(static name => ServiceDescriptionCheck.FindNameFault(name) is null)];
        names.Sort(StringComparer.Ordinal);
        return names;
    }

    /// <summary>Whether there is a description of a service.</summary>
    internal static bool Contains(string name) => ReadNames().Contains(name);

    /// <summary>Reads the description of a service.</summary>
    /// <param name="name">The service.</param>
    /// <exception cref="CracException">
    /// <see cref="CracReason.ServiceNotFound"/>; <see cref="CracReason.ServiceNotTrusted"/>: someone else may have written it;
    /// <see cref="CracReason.ServiceInvalid"/>: it is not a description; <see cref="CracReason.OptionRefused"/>: the name is not valid.
    /// </exception>
    internal static ServiceDescription Read(string name)
    {
        ServiceDescription description = ReadFile(PathOf(name));
        return description.Name == name ? description
            : throw Invalid(PathOf(name), $"it describes the service {description.Name}", $"Rename it to {description.Name}{Extension}, or correct its name.");
    }

    /// <summary>Reads a description from any file.</summary>
    /// <param name="path">A full path.</param>
    /// <exception cref="CracException">As <see cref="Read"/>.</exception>
    internal static ServiceDescription ReadFile(string path)
    {
        using SafeFileHandle file = OpenTrusted(path);
        ServiceDescription description = Parse(path, file);
        return ServiceDescriptionCheck.FindFault(description) is { } fault ? throw Invalid(path, fault) : description;
    }

    /// <summary>Refuses a description that could not be written or used.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ServiceInvalid"/>; <see cref="CracReason.OptionRefused"/>: the name is not valid.</exception>
    internal static void RequireValid(ServiceDescription description)
    {
        string path = PathOf(description.Name);
        if (ServiceDescriptionCheck.FindFault(description) is { } fault)
        {
            throw Invalid(path, fault, "Correct the parameter.");
        }
    }

    /// <summary>Refuses the name of a service that there is.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ServiceExists"/>.</exception>
    internal static void RequireFree(string name)
    {
        if (Contains(name))
        {
            throw Exists(PathOf(name), name);
        }
    }

    /// <summary>Refuses a name that no service has.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ServiceNotFound"/>; <see cref="CracReason.OptionRefused"/>: the name is not valid.</exception>
    internal static void RequireFound(string name)
    {
        string path = PathOf(name);
        if (!Contains(name))
        {
            throw NotFound(path);
        }
    }

    /// <summary>Writes the description of a service.</summary>
    /// <param name="description">The description.</param>
    /// <param name="replaces">Whether one that is there is replaced; otherwise it is an error.</param>
    /// <returns>The path of the file.</returns>
    /// <exception cref="CracException">
    /// <see cref="CracReason.ServiceInvalid"/>; <see cref="CracReason.ServiceExists"/>; <see cref="CracReason.PermissionDenied"/> or
    /// <see cref="CracReason.NoSpace"/>: it could not be written.
    /// </exception>
    internal static string Write(ServiceDescription description, bool replaces)
    {
        RequireValid(description);
        string path = PathOf(description.Name);
        using FolderHandle? folder = FolderHandle.Make(Folder, FolderMode, out Errno errno);
        errno = folder is null ? errno : SmallFile.Write(folder, description.Name + Extension, Serialize(description), FileMode, replaces);
        return errno switch
        {
            Errno.None => path,
            Errno.EEXIST => throw Exists(path, description.Name),
            _ => throw NotWritten(path, errno),
        };
    }

    /// <summary>Removes the description of a service. Its images stay.</summary>
    /// <param name="name">The service.</param>
    /// <exception cref="CracException"><see cref="CracReason.ServiceNotFound"/>; <see cref="CracReason.PermissionDenied"/>: it could not be removed.</exception>
    internal static void Remove(string name)
    {
        string path = PathOf(name);
        using FolderHandle? folder = FolderHandle.TryOpen(Folder, out Errno errno);
        errno = folder is null ? errno : folder.Delete(name + Extension);
        if (errno != 0)
        {
            throw errno == Errno.ENOENT ? NotFound(path) : NotWritten(path, errno);
        }
    }

    /// <summary>The text of a description.</summary>
    internal static byte[] Serialize(ServiceDescription description) => JsonSerializer.SerializeToUtf8Bytes(description, s_format.ServiceDescription);

    private static ServiceDescription Parse(string path, SafeFileHandle file)
    {
        try
        {
            return JsonSerializer.Deserialize(SmallFile.Read(file, MaximumSize) ?? [], ServiceDescriptionJson.Default.ServiceDescription) ?? throw Invalid(path, "it is empty");
        }
        catch (JsonException e)
        {
            throw Invalid(path, e.Message.TrimEnd('.'));
        }
        catch (IOException e)
        {
            throw new CracException(CracReason.PermissionDenied, $"{path} cannot be read: {e.Message}", "Check the file.", e);
        }
    }

    // Nobody who is not trusted can have a path that passes lead elsewhere, so it is then opened by its name.
    private static SafeFileHandle OpenTrusted(string path)
    {
        if (!FileStatus.TryRead(path, LibC.AT_SYMLINK_NOFOLLOW, out _, out Errno missing) && missing is Errno.ENOENT or Errno.ENOTDIR)
        {
            throw NotFound(path);
        }

        if (FileTrust.FindForAnyUser(path) is { } access)
        {
            throw NotTrusted(path, access.Why, $"Check that nobody has changed it, then: {access.Command}.");
        }

        using FolderHandle? folder = FolderHandle.TryOpen(Path.GetDirectoryName(path) ?? "/", out Errno errno);
        SafeFileHandle file = folder is null ? new SafeFileHandle(-1, ownsHandle: true) : folder.OpenToRead(Path.GetFileName(path), out errno);
        if (errno == 0)
        {
            return file;
        }

        file.Dispose();
        throw errno switch
        {
            Errno.ENOENT or Errno.ENOTDIR => NotFound(path),
            Errno.ELOOP => NotTrusted(path, $"{path} is a symbolic link", $"Put the file itself there: cp --remove-destination $(readlink -f {path}) {path}."),
            _ => new CracException(CracReason.PermissionDenied, $"{path} cannot be read: {LibC.Message(errno)}.", "Check the file; run as its owner, or as root."),
        };
    }

    private static CracException NotTrusted(string path, string why, string recommendedAction) => new(
        CracReason.ServiceNotTrusted, $"The description {path} is not used: {why}, so someone else could decide what is run.", recommendedAction);

    private static CracException Exists(string path, string name) => new(
        CracReason.ServiceExists, $"There is a service {name}, described by {path}.", "Give another name, or -Force to replace it.");

    private static CracException NotFound(string path) => new(
        CracReason.ServiceNotFound, $"There is no description {path}.", "Register-CracService makes one; Get-CracService lists those that there are.");

    private static CracException Invalid(string path, string why, string? recommendedAction = null) => new(
        CracReason.ServiceInvalid, $"{path} is not a description of a service: {why}.", recommendedAction ?? "Correct the file, or make it anew with Register-CracService -Force.");

    /// <summary>The exception for a file of the folder that cannot be written.</summary>
    internal static CracException NotWritten(string path, Errno errno) => new(
        errno is Errno.ENOSPC or Errno.EDQUOT ? CracReason.NoSpace : CracReason.PermissionDenied,
        $"{path} could not be written: {LibC.Message(errno)}.",
        $"Run as root, or name another state folder with {StateDirectory.Variable}.");
}
