namespace PSCrac;

/// <summary>What crac-start does when the program of a service has crashed.</summary>
public enum CracServiceRestart
{
    /// <summary>It restores the newest image, as at its own start.</summary>
    LastImage = 0,

    /// <summary>It starts the program. The images stay for its own next start.</summary>
    Start,
}
