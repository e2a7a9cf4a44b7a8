namespace PSCrac.Options;

/// <summary>Which operations take an option of criu, or have a parameter for it.</summary>
[Flags]
internal enum OptionScope
{
    /// <summary>Neither.</summary>
    None = 0,

    /// <summary>criu dump, Invoke-CracCheckpoint.</summary>
    Checkpoint = 1,

    /// <summary>criu restore, Restore-CracProcess.</summary>
    Restore = 2,

    /// <summary>Both.</summary>
    Both = Checkpoint | Restore,
}
