using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static partial class LibC
{
    private const short POSIX_SPAWN_SETPGROUP = 0x02;
    private const short POSIX_SPAWN_SETSIGDEF = 0x04;
    private const short POSIX_SPAWN_SETSIGMASK = 0x08;

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
    private static unsafe partial int posix_spawn_file_actions_adddup2(byte* fileActions, int from, int to);

    [LibraryImport(Library, EntryPoint = "sigemptyset")]
    private static unsafe partial int sigemptyset(byte* set);

    [LibraryImport(Library, EntryPoint = "sigaddset")]
    private static unsafe partial int sigaddset(byte* set, int signal);

    /// <summary>Starts a program in a process group of its own (posix_spawn(3)), so that no fork runs inside this process.</summary>
    /// <param name="path">The program, not searched for.</param>
    /// <param name="arguments">Its arguments, the first being its name.</param>
    /// <param name="environment">Its environment, NAME=VALUE each.</param>
    /// <param name="descriptors">What it gets open, by the number it gets it under; its numbers must be higher here than any there.</param>
    /// <param name="blockedSignals">Signals blocked in it; all others are not.</param>
    /// <param name="defaultSignals">Signals whose handling is reset, for those that this process ignores.</param>
    /// <param name="pid">The new process.</param>
    /// <returns>errno, or 0.</returns>
    internal static unsafe int Spawn(
        string path,
        IReadOnlyList<string> arguments,
        IReadOnlyList<string> environment,
        IReadOnlyList<(SafeHandle Source, int Target)> descriptors,
        ReadOnlySpan<int> blockedSignals,
        ReadOnlySpan<int> defaultSignals,
        out int pid)
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
        posix_spawnattr_init(attributes);
        posix_spawn_file_actions_init(actions);
        try
        {
            posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
            posix_spawnattr_setpgroup(attributes, 0);
            posix_spawnattr_setsigmask(attributes, blocked);
            posix_spawnattr_setsigdefault(attributes, defaulted);
            foreach ((SafeHandle source, int target) in descriptors)
            {
                int errno = posix_spawn_file_actions_adddup2(actions, (int)source.DangerousGetHandle(), target);
                if (errno != 0)
                {
                    pid = 0;
                    return errno;
                }
            }

            int child = 0;
            int result = posix_spawn(&child, file, actions, attributes, argv, envp);
            GC.KeepAlive(descriptors);
            pid = child;
            return result;
        }
        finally
        {
            posix_spawn_file_actions_destroy(actions);
            posix_spawnattr_destroy(attributes);
            FreeVector(envp);
            FreeVector(argv);
            Marshal.FreeCoTaskMem((nint)file);
        }
    }

    private static unsafe void FillSignalSet(byte* set, ReadOnlySpan<int> signals)
    {
        sigemptyset(set);
        foreach (int signal in signals)
        {
            sigaddset(set, signal);
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
