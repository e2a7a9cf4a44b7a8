using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.PidNamespaces;

/// <summary>A program that the init of a new pid namespace starts there.</summary>
/// <param name="Name">The program as the user names it, for messages.</param>
/// <param name="Path">Where it is.</param>
/// <param name="Arguments">Its arguments, its name first.</param>
/// <param name="Environment">Its environment, NAME=VALUE each.</param>
/// <param name="WorkingDirectory">Where it starts; null for nowhere in particular.</param>
/// <param name="Files">The files for its standard input, output and error, which are there.</param>
internal sealed record NamespaceProgram(
    string Name,
    string Path,
    IReadOnlyList<string> Arguments,
    IReadOnlyList<string> Environment,
    string? WorkingDirectory,
    (string Input, string Output, string Error) Files)
{

    /// <summary>Writes the strings that PSCrac.Init's RootProgram reads to a file in memory.</summary>
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

    /// <summary>What to say where a program could not be started, wherever that was.</summary>
    internal static CracException NotStarted(string name, Errno errno) => new(
        CracReason.ProgramNotStarted,
        $"{name} could not be started: {LibC.Message(errno)}.",
        errno == Errno.ENOEXEC ? "It is no program, and no script that names its interpreter (#!): start its interpreter with it as an argument."
            : "Check -FilePath, and that you may run this file.");
}
