using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.PidNamespaces;

/// <summary>A program that the init of a new pid namespace starts.</summary>
/// <param name="Name">The program's name as the user gave it, for messages.</param>
/// <param name="Path">The path of the program.</param>
/// <param name="Arguments">Its arguments, starting with its name.</param>
/// <param name="Environment">Its environment, NAME=VALUE each.</param>
/// <param name="WorkingDirectory">Its working directory; null if it does not matter.</param>
/// <param name="Files">The files for its standard input, output and error, which must exist.</param>
internal sealed record NamespaceProgram(
    string Name,
    string Path,
    IReadOnlyList<string> Arguments,
    IReadOnlyList<string> Environment,
    string? WorkingDirectory,
    (string Input, string Output, string Error) Files)
{
    /// <summary>Writes the strings that RootProgram in crac-start reads to a file in memory.</summary>
    internal SafeFileHandle Write()
    {
        var text = new StringBuilder();
        foreach (string each in (IEnumerable<string>)
            [Path, WorkingDirectory ?? string.Empty, Files.Input, Files.Output, Files.Error, Arguments.Count.ToString(CultureInfo.InvariantCulture), .. Arguments, .. Environment])
        {
            text.Append(each).Append('\0');
        }

        SafeFileHandle file = LibC.CreateMemoryFile("init-program", out _);
        RandomAccess.Write(file, Encoding.UTF8.GetBytes(text.ToString()), 0);
        return file;
    }

    /// <summary>The exception for a program that could not be started.</summary>
    internal static CracException NotStarted(string name, Errno errno) => new(
        CracReason.ProgramNotStarted,
        $"{name} could not be started: {LibC.Message(errno)}.",
        errno == Errno.ENOEXEC ? "It is not an executable, nor a script with an interpreter line (#!): start the interpreter with the script as an argument."
            : "Check -FilePath, and that you have permission to execute the file.");
}
