namespace PSCrac;

/// <summary>Which way a checkpoint or a restore goes.</summary>
public enum CracEngineChoice
{
    /// <summary>The JVM's own way where process or image have one, else criu.</summary>
    Auto = 0,

    /// <summary>criu directly, whatever the process is.</summary>
    Criu,

    /// <summary>The JVM's own way; an error where there is none.</summary>
    Jvm,
}
