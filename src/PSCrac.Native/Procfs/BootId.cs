namespace PSCrac.Procfs;

/// <summary>The kernel's id of the current boot (random(4)). Start times of processes count from it.</summary>
internal static class BootId
{
    /// <summary>The file that has it.</summary>
    internal const string Path = "/proc/sys/kernel/random/boot_id";

    private static string? s_current;

    /// <summary>The id, a UUID in lower case.</summary>
    internal static string Current => s_current ??= File.ReadAllText(Path).Trim();
}
