using System.Net;
using System.Runtime.InteropServices;
using PSCrac.Criu;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Options;
using PSCrac.Preflight.ImageRules;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Moving;

/// <summary>What the far side finds out before anything is frozen. The restore itself examines the image once more.</summary>
internal static class MoveSuitability
{
    /// <summary>The bits of st_mode that criu compares besides the kind.</summary>
    internal const uint PermissionMask = 0xfff;

    private const int Shown = 5;

    /// <summary>Examines this host.</summary>
    internal static IReadOnlyList<CracFinding> Examine(MoveQuestion question)
    {
        var findings = new List<CracFinding>();
        ExamineMemory(findings, question, ExamineCriu(findings));
        ExamineProcessor(findings, question);
        ExamineIds(findings, question);
        ExaminePorts(findings, question);
        ExamineSpace(findings, question);
        ExamineFiles(findings, question);
        return findings;
    }

    private static Version? ExamineCriu(List<CracFinding> findings)
    {
        if (!PreflightEnvironment.Read().IsPrivileged)
        {
            findings.Add(Block(
                CracReason.PermissionDenied, $"user {Environment.UserName}", "This account may not restore processes there: it lacks CAP_SYS_ADMIN.",
                "Connect as an account that may, such as root: -UserName root."));
        }

        try
        {
            return CriuInstallation.Locate().GetVersion();
        }
        catch (CracException e)
        {
            findings.Add(Block(e.Reason, "criu", e.Message, e.RecommendedAction));
            return null;
        }
    }

    private static void ExamineMemory(List<CracFinding> findings, MoveQuestion question, Version? criu)
    {
        if (criu is null || question.Areas.Count == 0 || LazyMemoryRule.FindLimit(criu) is not { } limit)
        {
            return;
        }

        foreach (MoveArea area in question.Areas)
        {
            if (area.Size > limit)
            {
                findings.Add(Block(
                    CracReason.ResourceUnsupported, LazyMemoryRule.Describe(area.Size, area.Start, limit), LazyMemoryRule.Why,
                    "Leave out -LazyPages, or install criu 4.3 or later there, or let the kernel there overcommit memory: sysctl vm.overcommit_memory=1.")
                    with { ProcessId = area.ProcessId });
            }
        }
    }

    private static void ExamineProcessor(List<CracFinding> findings, MoveQuestion question)
    {
        string here = RuntimeInformation.ProcessArchitecture.ToString();
        if (here != question.Architecture)
        {
            findings.Add(Block(
                CracReason.CpuIncompatible, $"{here}, not {question.Architecture}", "The process's memory holds machine code for one architecture.",
                $"Move it to a host with a {question.Architecture} processor."));
        }
        else if (ProcessorRule.FindMissing(question.ProcessorFeatures) is { Count: > 0 } missing)
        {
            findings.Add(Block(
                CracReason.CpuIncompatible, $"the processor has no {List(missing)}", "Programs choose their code by these features when they start.",
                "Move it to a host whose processor has them."));
        }
    }

    private static void ExamineIds(List<CracFinding> findings, MoveQuestion question)
    {
        if (question.PidNamespace == CracPidNamespace.New)
        {
            return;
        }

        List<string> taken = [.. question.Ids.Where(static id => PidRule.FindOwner(id) is not null).Select(static id => $"{id}")];
        if (taken.Count == 0)
        {
            return;
        }

        findings.Add(question.PidNamespace == CracPidNamespace.Host
            ? Block(CracReason.PidInUse, $"process ids {List(taken)}", "They are taken there.", "Leave out -PidNamespace Host: the process then gets a pid namespace of its own.")
            : new CracFinding
            {
                Severity = CracFindingSeverity.Note,
                What = $"process ids {List(taken)}",
                Reason = CracReason.PidInUse,
                Why = "They are taken there: the process gets a pid namespace of its own, in which it keeps them.",
            });
    }

    private static void ExaminePorts(List<CracFinding> findings, MoveQuestion question)
    {
        SocketTable? table = null;
        foreach (string listener in question.Listeners)
        {
            int space = listener.IndexOf(' ', StringComparison.Ordinal);
            if (space < 0 || !IPEndPoint.TryParse(listener[(space + 1)..], out IPEndPoint? local))
            {
                continue;
            }

            table ??= SocketAddressRule.ReadTable();
            if (SocketAddressRule.FindConflict(table, listener[..space], local) is { } other)
            {
                string owner = SocketOwner.Find(other.Inode) is var (name, id) ? $"{name} ({id})" : "another process";
                findings.Add(Block(CracReason.AddressUnavailable, $"{listener}: taken by {owner}", "The process listens there.", "End that process on the other host."));
            }
        }
    }

    private static void ExamineSpace(List<CracFinding> findings, MoveQuestion question)
    {
        const uint FolderMode = 0x1C0; // 0700
        string target = ImageRoot.PathOf(question.ImageName);
        if (Path.Exists(target))
        {
            findings.Add(Block(CracReason.ImageExists, target, "It exists there.", "Give another -ImageName."));
            return;
        }

        using FolderHandle? root = FolderHandle.Make(ImageRoot.Path, FolderMode, out Errno errno);
        if (root is null)
        {
            findings.Add(Block(
                CracReason.PermissionDenied, ImageRoot.Path, $"The image cannot be written there: {LibC.Message(errno)}.",
                $"Name another folder there with {ImageRoot.Variable} (SetEnv of sshd_config)."));
        }
        else if (LibC.FreeSpaceOf(root.Handle) is { } free && free < question.Bytes)
        {
            findings.Add(Block(
                CracReason.NoSpace, $"{ImageRoot.Path}: {free >> 20} MiB free", $"The image will have about {question.Bytes >> 20} MiB.", "Free some space on the other host."));
        }
    }

    private static void ExamineFiles(List<CracFinding> findings, MoveQuestion question)
    {
        var missing = new List<string>();
        var different = new List<string>();
        var rebuilt = new List<string>();
        foreach (MoveFile file in question.Files)
        {
            bool isLink = file.Kind == (uint)FileType.SymbolicLink;
            if (!FileStatus.TryRead(file.Path, isLink ? LibC.AT_SYMLINK_NOFOLLOW : 0, out FileStatus status, out _))
            {
                missing.Add(file.Path);
            }
            else if (file.BuildId is { } expected && ElfBuildId.TryRead(file.Path) is { } id && !Convert.ToHexStringLower(id).Equals(expected, StringComparison.Ordinal))
            {
                rebuilt.Add(file.Path);
            }
            else if ((uint)status.Type != file.Kind || ((uint)status.Mode & PermissionMask) != file.Mode || (file.HasFixedSize && status.SizeBytes != file.Size))
            {
                different.Add(file.Path);
            }
        }

        if (missing.Count > 0)
        {
            findings.Add(Block(CracReason.FileMissing, List(missing), "The process has them open or mapped, and they do not exist there.", "Copy them to the other host, to the same paths."));
        }

        if (rebuilt.Count > 0)
        {
            findings.Add(Block(
                CracReason.FileChanged, List(rebuilt), "These programs and libraries are of another build there, and the process's memory does not match them.",
                "Install the same versions on both hosts."));
        }

        if (different.Count > 0)
        {
            findings.Add(Block(
                CracReason.FileChanged, List(different), "These files are of another size or kind there, or have other permissions.", "Copy them to the other host, with their permissions."));
        }
    }

    private static CracFinding Block(CracReason reason, string what, string why, string? recommendedAction) => new()
    {
        Severity = CracFindingSeverity.Blocker,
        What = what,
        Reason = reason,
        Why = why,
        RecommendedAction = recommendedAction,
    };

    private static string List(List<string> all) =>
        string.Join(", ", all.Take(Shown)) + (all.Count > Shown ? $" and {all.Count - Shown} more" : "");
}
