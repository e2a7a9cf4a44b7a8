namespace PSCrac.Tests.Support;

/// <summary>Runs a program as on a kernel that lacks a system call, or in a container whose filter refuses it (seccomp(2)).</summary>
internal static class SystemCallFilter
{
    /// <summary>The number of openat2(2), the same on every architecture.</summary>
    internal const int OpenAt2 = 437;

    // A filter of four instructions: load the call's number; if it is the one, answer the errno; else allow.
    private const string Script = """
        import ctypes, os, struct, sys
        number, errno = int(sys.argv[1]), int(sys.argv[2])
        code = b"".join(struct.pack("HBBI", *each) for each in [
            (0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | errno), (0x06, 0, 0, 0x7fff0000)])
        text = ctypes.create_string_buffer(code)
        program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(text)))
        libc = ctypes.CDLL(None, use_errno=True)
        for arguments in [(38, 1, 0, 0, 0), (22, 2, ctypes.addressof(program), 0, 0)]:
            if libc.prctl(*[ctypes.c_ulong(each) for each in arguments]) != 0:
                sys.exit("prctl: " + os.strerror(ctypes.get_errno()))
        os.execvp(sys.argv[3], sys.argv[3:])
        """;

    /// <summary>The command line that runs another one so.</summary>
    /// <param name="call">The call's number.</param>
    /// <param name="errno">What it fails with.</param>
    /// <param name="command">The program and its arguments.</param>
    internal static string[] Command(int call, int errno, params string[] command) =>
        [PythonProgram.Path!, "-c", Script, $"{call}", $"{errno}", .. command];
}
