namespace PSCrac;

/// <summary>How much of what a process had mapped from files is in a core. Memory that is in the image always is.</summary>
public enum CracIncludeFile
{
    /// <summary><see cref="Header"/>, and <see cref="All"/> for a .NET process, whose debugger needs it.</summary>
    Auto = 0,

    /// <summary>Nothing.</summary>
    None,

    /// <summary>As in a core of the kernel's: the first page of programs and libraries, and the whole of areas that the process has changed a part of.</summary>
    Header,

    /// <summary>All that the files still have.</summary>
    All,
}
