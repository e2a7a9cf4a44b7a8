using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Storage;
using PSCrac.Interop;

namespace PSCrac.Starting.Services;

/// <summary>A folder of systemd's units, and what is asked of systemd about them.</summary>
/// <param name="path">The full path. It need not exist.</param>
internal sealed class UnitFolder(string path)
{
    private const uint FolderMode = 0x1ED; // 0755
    private const uint FileMode = 0x1A4; // 0644
    private const int MaximumSize = 1 << 20;
    private static readonly TimeSpan s_programTime = TimeSpan.FromSeconds(30);

    // systemd.unit(5), without the folder that PSCrac writes to.
    private static readonly string[] s_others =
    [
        "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system",
    ];

    /// <summary>Whether systemd runs this machine (sd_booted(3)).</summary>
    internal static bool IsSystemdRunning => Directory.Exists("/run/systemd/system");

    /// <summary>The folder for the units of the caller: of the machine for root, of the user for others.</summary>
    internal static string Default =>
        Environment.IsPrivilegedProcess ? "/etc/systemd/system"
        : System.IO.Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ApplicationData, Environment.SpecialFolderOption.DoNotVerify), "systemd", "user");

    /// <summary>The target that starts the caller's units.</summary>
    internal static string Target => Environment.IsPrivilegedProcess ? "multi-user.target" : "default.target";

    /// <summary>The full path.</summary>
    internal string Path { get; } = path;

    /// <summary>The path of a unit.</summary>
    internal string PathOf(string service) => System.IO.Path.Combine(Path, ServiceUnit.FileName(service));

    /// <summary>Reads a unit; null if there is none or it cannot be read.</summary>
    internal string? Read(string service)
    {
        using FolderHandle? folder = FolderHandle.TryOpen(Path, out _);
        using SafeFileHandle? file = folder?.OpenToRead(ServiceUnit.FileName(service), out _);
        return file is { IsInvalid: false } && SmallFile.Read(file, MaximumSize) is { } text ? Encoding.UTF8.GetString(text) : null;
    }

    /// <summary>The path of a unit with the name of a service's: here, or in systemd's other folders. Null if there is none.</summary>
    internal string? FindExisting(string service)
    {
        string[] folders = Path == Default && Environment.IsPrivilegedProcess ? [Path, .. s_others] : [Path];
        foreach (string folder in folders)
        {
            string unit = System.IO.Path.Combine(folder, ServiceUnit.FileName(service));
            if (new FileInfo(unit) is { Exists: true } or { LinkTarget: not null })
            {
                return unit;
            }
        }

        return null;
    }

    /// <summary>Writes a unit, and replaces one that is there.</summary>
    /// <exception cref="CracException"><see cref="CracReason.PermissionDenied"/> or <see cref="CracReason.NoSpace"/>: it could not be written.</exception>
    internal void Write(string service, string text)
    {
        using FolderHandle? folder = FolderHandle.Make(Path, FolderMode, out Errno errno);
        errno = folder is null ? errno : SmallFile.Write(folder, ServiceUnit.FileName(service), Encoding.UTF8.GetBytes(text), FileMode, replaces: true);
        if (errno != 0)
        {
            throw new CracException(
                errno is Errno.ENOSPC or Errno.EDQUOT ? CracReason.NoSpace : CracReason.PermissionDenied,
                $"The unit {PathOf(service)} could not be written: {LibC.Message(errno)}.",
                "Run as root, or name a folder that you own with -UnitDirectory.");
        }
    }

    /// <summary>Removes a unit.</summary>
    /// <exception cref="CracException"><see cref="CracReason.PermissionDenied"/>: it could not be removed.</exception>
    internal void Remove(string service)
    {
        using FolderHandle? folder = FolderHandle.TryOpen(Path, out Errno errno);
        errno = folder is null ? errno : folder.Delete(ServiceUnit.FileName(service));
        if (errno is not (Errno.None or Errno.ENOENT))
        {
            throw new CracException(CracReason.PermissionDenied, $"The unit {PathOf(service)} could not be removed: {LibC.Message(errno)}.", "Run as root.");
        }
    }

    /// <summary>What systemd's own verification says of a unit; null where it says nothing, or is not installed.</summary>
    internal string? Verify(string service)
    {
        string file = PathOf(service);
        string[] mode = Environment.IsPrivilegedProcess ? [] : ["--user"];
        if (Run("systemd-analyze", [.. mode, "verify", file]) is not var (_, said) || said.Length == 0)
        {
            return null;
        }

        // It reads the units that this one refers to as well, and says what it finds there.
        string name = ServiceUnit.FileName(service);
        string[] lines = [.. said.Split('\n').Where(line => line.StartsWith(file, StringComparison.Ordinal) || line.StartsWith(name, StringComparison.Ordinal))];
        return lines.Length == 0 ? null : string.Join("; ", lines);
    }

    /// <summary>Has systemd read its units again. Does nothing where it does not run.</summary>
    /// <returns>What went wrong; null if nothing did.</returns>
    internal static string? Reload()
    {
        string[] mode = Environment.IsPrivilegedProcess ? [] : ["--user"];
        return !IsSystemdRunning || Run("systemctl", [.. mode, "daemon-reload"]) is not var (code, said) || code == 0 ? null : said;
    }

    private static (int ExitCode, string Said)? Run(string program, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        try
        {
            using Process process = Process.Start(start)!;
            process.StandardInput.Close();
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            Task<string> error = process.StandardError.ReadToEndAsync();
            if (!process.WaitForExit(s_programTime) || !Task.WaitAll([output, error], s_programTime))
            {
                process.Kill();
                return (-1, $"{program} does not answer");
            }

            return (process.ExitCode, $"{error.Result}{output.Result}".Trim());
        }
        catch (Win32Exception)
        {
            // It is not installed.
            return null;
        }
    }
}
