using PSCrac.Images.Manifest;
using PSCrac.Processes;
using PSCrac.Procfs;
using PSCrac.Running;

namespace PSCrac.Staging;

/// <summary>Creates the manifest of a checkpoint, as far as it is the same for criu and for a JVM.</summary>
internal static class ImageManifestFactory
{
    /// <summary>Describes the host and a process tree. The caller adds how the checkpoint is taken, and the image's files.</summary>
    /// <param name="tree">The tree, which still runs.</param>
    /// <param name="isInside">Whether the image has the pids of the tree's own pid namespace, not of the caller's.</param>
    /// <exception cref="CracException">The root has ended.</exception>
    internal static ImageManifest Describe(ProcessTree tree, bool isInside)
    {
        int id = tree.Root.ProcessId;
        ProcessCommandLine command = ProcessCommandLine.Read(id);
        return new ImageManifest
        {
            Created = DateTimeOffset.UtcNow,
            Host = HostDescription.Read(),
            RestoredFrom = RunningProcesses.Find(id)?.ImageManifestHash,
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
                ImageManifestThread thread = ThreadAttributes.Read(id, ProcessStatus.TryRead(id)?.InnermostProcessId ?? id, isMain: id == member.ProcessId);
                if (!ThreadAttributes.AreUsual(thread))
                {
                    threads.Add(thread);
                }
            }
        }

        return threads;
    }
}
