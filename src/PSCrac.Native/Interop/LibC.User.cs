using System.Runtime.InteropServices;

namespace PSCrac.Interop;

/// <summary>A user of the system (passwd(5)).</summary>
/// <param name="Name">The name.</param>
/// <param name="UserId">The user id.</param>
/// <param name="GroupId">The id of the first group.</param>
/// <param name="Home">The home folder.</param>
internal sealed record UserEntry(string Name, uint UserId, uint GroupId, string Home);

internal static unsafe partial class LibC
{
    [LibraryImport(Library, EntryPoint = "getpwnam", StringMarshalling = StringMarshalling.Utf8)]
    private static partial PasswordEntry* getpwnam(string name);

    [LibraryImport(Library, EntryPoint = "getpwuid")]
    private static partial PasswordEntry* getpwuid(uint id);

    [LibraryImport(Library, EntryPoint = "initgroups", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int initgroups(string user, uint group);

    [LibraryImport(Library, EntryPoint = "setgid", SetLastError = true)]
    private static partial int setgid(uint group);

    [LibraryImport(Library, EntryPoint = "setuid", SetLastError = true)]
    private static partial int setuid(uint user);

    [LibraryImport(Library, EntryPoint = "signal")]
    private static partial nint signal(int number, nint handler);

    /// <summary>Finds a user by name or number (getpwnam(3)); null if there is none. Not for several threads at once.</summary>
    internal static UserEntry? FindUser(string user)
    {
        PasswordEntry* entry = uint.TryParse(user, out uint id) ? getpwuid(id) : getpwnam(user);
        return entry is null ? null : new UserEntry(
            Marshal.PtrToStringUTF8((nint)entry->Name) ?? user, entry->UserId, entry->GroupId, Marshal.PtrToStringUTF8((nint)entry->Home) ?? "/");
    }

    /// <summary>Makes this process one of a user, for good, and executes a program in it (execve(2)), which no signal is ignored in.</summary>
    /// <param name="user">The user.</param>
    /// <param name="path">The program.</param>
    /// <param name="arguments">Its arguments, starting with its name.</param>
    /// <returns>The errno; returns only on failure.</returns>
    internal static Errno ExecuteAs(UserEntry user, string path, IReadOnlyList<string> arguments)
    {
        // In this order: without the user's rights there is no permission to change groups.
        Errno errno = Result(initgroups(user.Name, user.GroupId));
        errno = errno != 0 ? errno : Result(setgid(user.GroupId));
        errno = errno != 0 ? errno : Result(setuid(user.UserId));
        if (errno != 0)
        {
            return errno;
        }

        // The runtime ignores SIGPIPE, which a program would inherit.
        signal(SIGPIPE, 0);
        byte** vector = ToVector(arguments);
        errno = Execute(path, vector);
        FreeVector(vector);
        return errno;
    }

    // struct passwd, the same in glibc and musl on 64 bit.
    [StructLayout(LayoutKind.Sequential)]
    private struct PasswordEntry
    {
        internal byte* Name;
        internal byte* Password;
        internal uint UserId;
        internal uint GroupId;
        internal byte* Information;
        internal byte* Home;
        internal byte* Shell;
    }
}
