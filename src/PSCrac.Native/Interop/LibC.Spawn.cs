using System.Globalization;
using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static partial class LibC
{
    private const short POSIX_SPAWN_SETPGROUP = 0x02;
    private const short POSIX_SPAWN_SETSIGDEF = 0x04;
    private const short POSIX_SPAWN_SETSIGMASK = 0x08;
    private const short POSIX_SPAWN_SETSID = 0x80;

    // posix_spawnattr_t is 336 bytes and posix_spawn_file_actions_t 80 in glibc and musl; sigset_t is 128. Rounded up.
    private const int SpawnAttributesSize = 512;
    private const int SpawnFileActionsSize = 256;
    private const int SignalSetSize = 128;

    [LibraryImport(Library, EntryPoint = "posix_spawn")]
    private static unsafe partial int posix_spawn(int* pid, byte* path, byte* fileActions, byte* attributes, byte** arguments, byte** environment);

    [LibraryImport(Library, EntryPoint = "posix_spawnattr_init")]
    private static unsafe partial int posix_spawnattr_init(byte* attributes);

    [LibraryImport(Library, EntryPoint = "posix_spawnattr_destroy")]
    private static unsafe partial int posix_spawnattr_destroy(byte* attributes);

    [LibraryImport(Library, EntryPoint = "posix_spawnattr_setflags")]
    private static unsafe partial int posix_spawnattr_setflags(byte* attributes, short flags);

    [LibraryImport(Library, EntryPoint = "posix_spawnattr_setpgroup")]
    private static unsafe partial int posix_spawnattr_setpgroup(byte* attributes, int group);

    [LibraryImport(Library, EntryPoint = "posix_spawnattr_setsigmask")]
    private static unsafe partial int posix_spawnattr_setsigmask(byte* attributes, byte* mask);

    [LibraryImport(Library, EntryPoint = "posix_spawnattr_setsigdefault")]
    private static unsafe partial int posix_spawnattr_setsigdefault(byte* attributes, byte* signals);

    [LibraryImport(Library, EntryPoint = "posix_spawn_file_actions_init")]
    private static unsafe partial int posix_spawn_file_actions_init(byte* fileActions);

    [LibraryImport(Library, EntryPoint = "posix_spawn_file_actions_destroy")]
    private static unsafe partial int posix_spawn_file_actions_destroy(byte* fileActions);

    [LibraryImport(Library, EntryPoint = "posix_spawn_file_actions_adddup2")]
    private static unsafe partial int posix_spawn_file_actions_adddup2(byte* fileActions, SafeHandle from, int to);

    [LibraryImport(Library, EntryPoint = "posix_spawn_file_actions_addclose")]
    private static unsafe partial int posix_spawn_file_actions_addclose(byte* fileActions, int descriptor);

    // Available in glibc since 2.29 and in musl since 1.1.24.
    [LibraryImport(Library, EntryPoint = "posix_spawn_file_actions_addchdir_np", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int posix_spawn_file_actions_addchdir_np(byte* fileActions, string path);

    [LibraryImport(Library, EntryPoint = "sigemptyset")]
    private static unsafe partial int sigemptyset(byte* set);

    [LibraryImport(Library, EntryPoint = "sigaddset")]
    private static unsafe partial int sigaddset(byte* set, int signal);

    /// <summary>Starts a program, usually in a new process group, with posix_spawn(3), so that this process does not fork.</summary>
    /// <param name="path">The path of the program; PATH is not searched.</param>
    /// <param name="arguments">Its arguments, starting with its name.</param>
    /// <param name="environment">Its environment variables, NAME=VALUE each.</param>
    /// <param name="descriptors">The descriptors to pass and their numbers in the program; the numbers here must be higher than all numbers there.</param>
    /// <param name="blockedSignals">The signals to block in it; all others are unblocked.</param>
    /// <param name="defaultSignals">The signals whose handling is reset to the default, because this process may ignore them.</param>
    /// <param name="pid">The new process.</param>
    /// <param name="newSession">Whether to start it in a new session, without a controlling terminal.</param>
    /// <param name="workingDirectory">Its working directory; null for that of this process.</param>
    /// <param name="closed">Descriptors to close in it, because this process may have inherited them without close-on-exec.</param>
    /// <param name="inGroup">Whether it stays in the process group of this process, so that it may ask at its terminal.</param>
    internal static unsafe Errno Spawn(
        string path,
        IReadOnlyList<string> arguments,
        IReadOnlyList<string> environment,
        IReadOnlyList<(SafeHandle Source, int Target)> descriptors,
        ReadOnlySpan<int> blockedSignals,
        ReadOnlySpan<int> defaultSignals,
        out int pid,
        bool newSession = false,
        string? workingDirectory = null,
        IReadOnlyList<int>? closed = null,
        bool inGroup = false)
    {
        byte* attributes = stackalloc byte[SpawnAttributesSize];
        byte* actions = stackalloc byte[SpawnFileActionsSize];
        byte* blocked = stackalloc byte[SignalSetSize];
        byte* defaulted = stackalloc byte[SignalSetSize];
        FillSignalSet(blocked, blockedSignals);
        FillSignalSet(defaulted, defaultSignals);

        byte* file = (byte*)Marshal.StringToCoTaskMemUTF8(path);
        byte** argv = ToVector(arguments);
        byte** envp = ToVector(environment);
        int errno = posix_spawnattr_init(attributes);
        errno = errno != 0 ? errno : posix_spawn_file_actions_init(actions);
        try
        {
            errno = errno != 0 ? errno : SetAttributes(attributes, newSession ? POSIX_SPAWN_SETSID : inGroup ? (short)0 : POSIX_SPAWN_SETPGROUP, blocked, defaulted);
            errno = errno != 0 ? errno : AddActions(actions, descriptors, workingDirectory, closed ?? []);
            int child = 0;
            errno = errno != 0 ? errno : posix_spawn(&child, file, actions, attributes, argv, envp);
            GC.KeepAlive(descriptors);
            pid = child;
            return (Errno)errno;
        }
        finally
        {
            // Neither fails in glibc or musl, and destroying a zeroed structure has no effect.
            _ = posix_spawn_file_actions_destroy(actions);
            _ = posix_spawnattr_destroy(attributes);
            FreeVector(envp);
            FreeVector(argv);
            Marshal.FreeCoTaskMem((nint)file);
        }
    }

    /// <summary>
    /// The descriptors of this process except the standard ones, to close in a new program. Descriptors of .NET are close-on-exec;
    /// those that this process inherited from its parent may not be.
    /// </summary>
    internal static List<int> ListDescriptors()
    {
        const int LastStandard = 2;
        var numbers = new List<int>();
        foreach (string entry in Directory.EnumerateFileSystemEntries("/proc/self/fd"))
        {
            if (int.TryParse(Path.GetFileName(entry), NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number > LastStandard)
            {
                numbers.Add(number);
            }
        }

        return numbers;
    }

    // A session leader is also a process group leader and cannot join another group.
    private static unsafe int SetAttributes(byte* attributes, short grouping, byte* blocked, byte* defaulted)
    {
        int errno = posix_spawnattr_setflags(attributes, (short)(grouping | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK));
        errno = errno != 0 ? errno : posix_spawnattr_setpgroup(attributes, 0);
        errno = errno != 0 ? errno : posix_spawnattr_setsigmask(attributes, blocked);
        return errno != 0 ? errno : posix_spawnattr_setsigdefault(attributes, defaulted);
    }

    private static unsafe int AddActions(
        byte* actions, IReadOnlyList<(SafeHandle Source, int Target)> descriptors, string? workingDirectory, IReadOnlyList<int> closed)
    {
        int errno = 0;
        foreach ((SafeHandle source, int target) in descriptors)
        {
            errno = errno != 0 ? errno : posix_spawn_file_actions_adddup2(actions, source, target);
        }

        foreach (int descriptor in closed)
        {
            errno = errno != 0 ? errno : posix_spawn_file_actions_addclose(actions, descriptor);
        }

        if (workingDirectory is not null)
        {
            errno = errno != 0 ? errno : posix_spawn_file_actions_addchdir_np(actions, workingDirectory);
        }

        return errno;
    }

    private static unsafe void FillSignalSet(byte* set, ReadOnlySpan<int> signals)
    {
        // They fail only for an invalid signal number.
        _ = sigemptyset(set);
        foreach (int signal in signals)
        {
            _ = sigaddset(set, signal);
        }
    }

    private static unsafe byte** ToVector(IReadOnlyList<string> values)
    {
        byte** vector = (byte**)NativeMemory.AllocZeroed((nuint)values.Count + 1, (nuint)sizeof(byte*));
        for (int i = 0; i < values.Count; i++)
        {
            vector[i] = (byte*)Marshal.StringToCoTaskMemUTF8(values[i]);
        }

        return vector;
    }

    private static unsafe void FreeVector(byte** vector)
    {
        for (byte** at = vector; *at is not null; at++)
        {
            Marshal.FreeCoTaskMem((nint)(*at));
        }

        NativeMemory.Free(vector);
    }
}
