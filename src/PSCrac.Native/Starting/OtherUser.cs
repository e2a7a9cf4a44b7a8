using PSCrac.Interop;
using PSCrac.PidNamespaces;
using PSCrac.Procfs;

namespace PSCrac.Starting;

/// <summary>
/// Starts a program as another user: crac-start is started in its place, becomes a process of that user, and executes the program. A
/// process that starts others with posix_spawn(3) cannot give them another user.
/// </summary>
internal static class OtherUser
{
    /// <summary>The argument that makes crac-start become another user: the user, the path of a program and its arguments follow.</summary>
    internal const string Argument = "--as";

    /// <summary>Changes the arguments and the environment of a start.</summary>
    /// <param name="user">A name or a number.</param>
    /// <param name="path">The program.</param>
    /// <param name="arguments">Its arguments, starting with its name, before which those of crac-start are put.</param>
    /// <param name="variables">Its environment, which gets the user's name and home folder.</param>
    /// <param name="given">The variables that the caller gave, which stay.</param>
    /// <returns>The program to start.</returns>
    /// <exception cref="CracException"><see cref="CracReason.ProgramNotStarted"/>: there is no such user, or this process may not become it.</exception>
    internal static string Compose(
        string user, string path, List<string> arguments, SortedDictionary<string, string> variables, IReadOnlyDictionary<string, string?> given)
    {
        UserEntry entry = LibC.FindUser(user) ?? throw NotStarted($"There is no user {user}", "Correct -User.");
        if (entry.UserId == LibC.GetEffectiveUserId())
        {
            return path;
        }

        if (LibC.GetEffectiveUserId() != 0)
        {
            throw NotStarted($"Only root may start a program as the user {user}", "Run as root, or leave out -User.");
        }

        foreach ((string name, string value) in (ReadOnlySpan<(string, string)>)[("HOME", entry.Home), ("USER", entry.Name), ("LOGNAME", entry.Name)])
        {
            if (!given.ContainsKey(name))
            {
                variables[name] = value;
            }
        }

        IReadOnlyList<string> command = NamespaceInitHost.LocateStart();
        arguments.InsertRange(0, [.. command, Argument, user, path]);
        return command[0];
    }

    /// <summary>Waits until crac-start has executed the program, or has ended: until then a checkpoint would be of crac-start.</summary>
    /// <param name="processId">The process.</param>
    /// <param name="cancellation">Ends the wait.</param>
    internal static void WaitUntilExecuted(int processId, CancellationToken cancellation)
    {
        const int Pause = 1;
        string[] command = [.. NamespaceInitHost.LocateStart(), Argument];
        while (true)
        {
            using ProcessDirectory? directory = ProcessDirectory.TryOpen(processId);
            if (directory is null || ProcessCommandLine.TryRead(directory) is not { } line || !line.Arguments.Take(command.Length).SequenceEqual(command))
            {
                return;
            }

            cancellation.WaitHandle.WaitOne(Pause);
            cancellation.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Becomes the user, and executes the program.</summary>
    /// <returns>Why it failed; returns only then.</returns>
    internal static CracException Execute(string user, string path, IReadOnlyList<string> arguments) =>
        LibC.FindUser(user) is not { } entry ? NotStarted($"There is no user {user}", "Correct -User.")
        : NotStarted($"{path} could not be started as the user {user}: {LibC.Message(LibC.ExecuteAs(entry, path, arguments))}", "Check that this user may execute it.");

    private static CracException NotStarted(string why, string recommendedAction) => new(CracReason.ProgramNotStarted, $"{why}.", recommendedAction);
}
