using System.Diagnostics.CodeAnalysis;

namespace PSCrac.Common;

/// <summary>The folder that this engine is in: that of its assembly or, compiled ahead into a program, that of the program.</summary>
internal static class EngineFolder
{
    /// <summary>The full path.</summary>
    internal static string Path { get; } = Find();

    [UnconditionalSuppressMessage("SingleFile", "IL3000", Justification = "In a program that was compiled ahead the location is empty, and the program's folder is used.")]
    private static string Find() =>
        System.IO.Path.GetDirectoryName(typeof(EngineFolder).Assembly.Location) is { Length: > 0 } folder ? folder : AppContext.BaseDirectory;
}
