using PSCrac.Images.Manifest;
using PSCrac.Procfs;

namespace PSCrac.Staging;

/// <summary>Makes the manifest of an image that is about to be taken, as far as it is the same whatever takes it.</summary>
internal static class ImageManifestFactory
{
    /// <summary>Describes the host and a process tree. How the checkpoint is taken, and the image's files, are added by who takes it.</summary>
    /// <param name="tree">The tree, which still runs.</param>
    /// <param name="isInside">Whether the tree is taken by the ids of a pid namespace of its own, not by those of the caller's.</param>
    /// <exception cref="CracException">The root has ended meanwhile.</exception>
    internal static ImageManifest Describe(ProcessTree tree, bool isInside)
    {
        int id = tree.Root.ProcessId;
        ProcessCommandLine command = ProcessCommandLine.Read(id);
        return new ImageManifest
        {
            Created = DateTimeOffset.UtcNow,
            Host = HostDescription.Read(),
            Process = new ImageManifestProcess
            {
                RootPid = isInside ? tree.Root.Status.InnermostProcessId : id,
                HostPid = isInside ? id : null,
                Command = command.Arguments.Count > 0 ? command.Arguments : [command.CommandName],
                Executable = command.ExecutablePath,
                WorkingDirectory = command.WorkingDirectory,
                ProcessCount = tree.Members.Count,
                ThreadCount = tree.ThreadIds.Count,
                Memory = tree.ResidentBytes,
                Threads = DescribeThreads(tree),
            },
        };
    }

    private static List<ImageManifestThread> DescribeThreads(ProcessTree tree)
    {
        var threads = new List<ImageManifestThread>();
        foreach (ProcessTreeMember member in tree.Members)
        {
            foreach (int id in member.Status.HasEnded ? [] : member.ThreadIds)
            {
                ThreadAttributes attributes = ThreadAttributes.Read(id, isMain: id == member.ProcessId);
                if (attributes.AreUsual)
                {
                    continue;
                }

                threads.Add(new ImageManifestThread
                {
                    Id = ProcessStatus.TryRead(id)?.InnermostProcessId ?? id,
                    CpuAffinity = attributes.CpuAffinity,
                    IoPriority = attributes.IoPriority,
                    SchedulingPolicy = attributes.Policy,
                    SchedulingPriority = attributes.Priority,
                    Nice = attributes.Nice,
                    TimerSlack = attributes.TimerSlack,
                    CoredumpFilter = attributes.CoredumpFilter,
                    OomScoreAdjustment = attributes.OomScoreAdjustment,
                });
            }
        }

        return threads;
    }
}
