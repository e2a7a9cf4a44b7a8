namespace PSCrac.Interop;

/// <summary>What a call of the C library failed with (errno(3)); 0 where it did not. Numbers are those of x86-64 and arm64.</summary>
internal enum Errno
{
    None = 0,
    EPERM = 1,
    ENOENT = 2,
    ESRCH = 3,
    EINTR = 4,
    ENOEXEC = 8,
    ECHILD = 10,
    EAGAIN = 11,
    EACCES = 13,
    EEXIST = 17,
    ENOSPC = 28,
    EROFS = 30,
    ENOSYS = 38,
    EDQUOT = 122,
}
