namespace PSCrac;

/// <summary>Where a restored tree gets its process ids.</summary>
public enum CracPidNamespace
{
    /// <summary>In the namespace of the caller, where each id of the image must be free.</summary>
    Host = 0,

    /// <summary>In a new one, where it has the ids of the image and, seen from here, others.</summary>
    New,

    /// <summary>In the caller's where the ids are free, or become so in time; else in a new one.</summary>
    Auto,
}
