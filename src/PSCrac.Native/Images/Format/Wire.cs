namespace PSCrac.Images.Format;

/// <summary>
/// The field numbers that typed readers use, one class per message. A test compares each with the schemas
/// by name: <c>PstreeEntry.Pid</c> is field <c>pid</c> of message <c>pstree_entry</c>. <c>Required</c> has a bit for each field that is.
/// </summary>
internal static class Wire
{
    internal static class PstreeEntry
    {
        internal const int Pid = 1;
        internal const int Ppid = 2;
        internal const int Pgid = 3;
        internal const int Sid = 4;
        internal const int Threads = 5;
        internal const ulong Required = (1UL << Pid) | (1UL << Ppid) | (1UL << Pgid) | (1UL << Sid);
    }

    internal static class FileLockEntry
    {
        internal const int Flag = 1;
        internal const int Type = 2;
        internal const int Pid = 3;
        internal const int Fd = 4;
        internal const int Start = 5;
        internal const int Len = 6;
    }

    internal static class CoreEntry
    {
        internal const int Mtype = 1;
        internal const int ThreadInfo = 2;
        internal const int Tc = 3;
        internal const int Ids = 4;
        internal const int ThreadCore = 5;
        internal const int TiAarch64 = 8;
    }

    internal static class ThreadCoreEntry
    {
        internal const int SchedNice = 3;
        internal const int BlkSigset = 6;
        internal const int PdeathSig = 8;
        internal const int SignalsP = 9;
        internal const int Creds = 10;
    }

    internal static class CredsEntry
    {
        internal const int Uid = 1;
        internal const int Gid = 2;
    }

    internal static class SignalQueueEntry
    {
        internal const int Signals = 1;
    }

    internal static class SiginfoEntry
    {
        internal const int Siginfo = 1;
    }

    internal static class ThreadInfoX86
    {
        internal const int Gpregs = 2;
        internal const int Fpregs = 3;
    }

    internal static class ThreadInfoAarch64
    {
        internal const int Tls = 2;
        internal const int Gpregs = 3;
        internal const int Fpsimd = 4;
    }

    internal static class UserAarch64RegsEntry
    {
        internal const int Regs = 1;
        internal const int Sp = 2;
        internal const int Pc = 3;
        internal const int Pstate = 4;
    }

    internal static class UserAarch64FpsimdContextEntry
    {
        internal const int Vregs = 1;
        internal const int Fpsr = 2;
        internal const int Fpcr = 3;
    }

    internal static class UserX86RegsEntry
    {
        internal const int R15 = 1;
        internal const int R10 = 8;
        internal const int Ax = 11;
        internal const int Dx = 13;
        internal const int Si = 14;
        internal const int Di = 15;
        internal const int OrigAx = 16;
        internal const int Ip = 17;
        internal const int Gs = 27;
        internal const int Mode = 28;
    }

    internal static class UserX86FpregsEntry
    {
        internal const int Cwd = 1;
        internal const int Swd = 2;
        internal const int Twd = 3;
        internal const int Fop = 4;
        internal const int Rip = 5;
        internal const int Rdp = 6;
        internal const int Mxcsr = 7;
        internal const int MxcsrMask = 8;
        internal const int StSpace = 9;
        internal const int XmmSpace = 10;
        internal const int Xsave = 13;
    }

    internal static class UserX86XsaveEntry
    {
        internal const int XstateBv = 1;
        internal const int YmmhSpace = 2;
        internal const int BndregState = 3;
        internal const int BndcsrState = 4;
        internal const int OpmaskReg = 5;
        internal const int ZmmUpper = 6;
        internal const int Hi16Zmm = 7;
        internal const int Pkru = 8;
    }

    internal static class TaskCoreEntry
    {
        internal const int TaskState = 1;
        internal const int ExitCode = 2;
        internal const int BlkSigset = 5;
        internal const int Comm = 6;
        internal const int SignalsS = 10;
    }

    internal static class TaskKobjIdsEntry
    {
        internal const int FilesId = 2;
    }

    internal static class MmEntry
    {
        internal const int MmStartStack = 5;
        internal const int MmStartBrk = 6;
        internal const int MmBrk = 7;
        internal const int MmArgStart = 8;
        internal const int MmArgEnd = 9;
        internal const int MmEnvStart = 10;
        internal const int MmEnvEnd = 11;
        internal const int ExeFileId = 12;
        internal const int MmSavedAuxv = 13;
        internal const int Vmas = 14;

        // Fields 1 to 12.
        internal const ulong Required = (1UL << 13) - 2;
    }

    internal static class VmaEntry
    {
        internal const int Start = 1;
        internal const int End = 2;
        internal const int Pgoff = 3;
        internal const int Shmid = 4;
        internal const int Prot = 5;
        internal const int Flags = 6;
        internal const int Status = 7;
        internal const int Fd = 8;
        internal const ulong Required =
            (1UL << Start) | (1UL << End) | (1UL << Pgoff) | (1UL << Shmid) | (1UL << Prot) | (1UL << Flags) | (1UL << Status) | (1UL << Fd);
    }

    internal static class PagemapHead
    {
        internal const int PagesId = 1;
        internal const ulong Required = 1UL << PagesId;
    }

    internal static class PagemapEntry
    {
        internal const int Vaddr = 1;
        internal const int CompatNrPages = 2;
        internal const int InParent = 3;
        internal const int Flags = 4;
        internal const int NrPages = 5;
        internal const int Blocks = 6;
        internal const ulong Required = (1UL << Vaddr) | (1UL << CompatNrPages);
    }

    internal static class PagemapBlocks
    {
        internal const int BlockSizes = 1;
        internal const int TotalPayloadSize = 2;
        internal const int PagesPerBlock = 3;
        internal const ulong Required = (1UL << TotalPayloadSize) | (1UL << PagesPerBlock);
    }

    internal static class InventoryEntry
    {
        internal const int ImgVersion = 1;
        internal const int Compress = 15;
        internal const int CompressBlockSize = 16;
        internal const ulong Required = 1UL << ImgVersion;
    }

    internal static class FdinfoEntry
    {
        internal const int Id = 1;
        internal const int Flags = 2;
        internal const int Type = 3;
        internal const int Fd = 4;
        internal const ulong Required = (1UL << Id) | (1UL << Flags) | (1UL << Type) | (1UL << Fd);
    }

    internal static class FileEntry
    {
        internal const int Type = 1;
        internal const int Id = 2;
        internal const int Reg = 3;
    }

    internal static class RegFileEntry
    {
        internal const int Id = 1;
        internal const int Flags = 2;
        internal const int Pos = 3;
        internal const int Fown = 5;
        internal const int Name = 6;
        internal const int Size = 8;
        internal const int Mode = 10;
    }

    internal static class FownEntry
    {
        internal const int Uid = 1;
        internal const int Euid = 2;
        internal const int Signum = 3;
        internal const int PidType = 4;
        internal const int Pid = 5;
    }

    internal static class FsEntry
    {
        internal const int CwdId = 1;
        internal const int RootId = 2;
        internal const int Umask = 3;
        internal const ulong Required = (1UL << CwdId) | (1UL << RootId);
    }

    internal static class StatsEntry
    {
        internal const int Dump = 1;
    }

    internal static class DumpStatsEntry
    {
        internal const int FreezingTime = 1;
        internal const int FrozenTime = 2;
        internal const int MemdumpTime = 3;
        internal const int MemwriteTime = 4;
        internal const int PagesScanned = 5;
        internal const int PagesSkippedParent = 6;
        internal const int PagesWritten = 7;
        internal const int PagesLazy = 9;
        internal const int ShpagesScanned = 12;
        internal const int ShpagesSkippedParent = 13;
        internal const int ShpagesWritten = 14;
    }
}
