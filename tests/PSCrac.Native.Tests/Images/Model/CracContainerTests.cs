using System.Diagnostics;
using PSCrac.Archives;
using PSCrac.CoreDumps;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Options;
using PSCrac.Restoring;
using PSCrac.Tests.CoreDumps;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Images.Model;

/// <summary>Checkpoint archives as Podman itself writes them, of a container made of nothing but busybox.</summary>
public sealed class CracContainerTests : IDisposable
{
    private const string Script =
        "export NOTE=kept-in-the-container; echo new > /etc/changed; rm /bin/cat; echo ready > /tmp/ready; while :; do sleep 1; done";

    private readonly string _home = Directory.CreateTempSubdirectory("pscrac-podman-").FullName;

    [PodmanFact]
    public void Archives_of_every_compression_read_as_the_container()
    {
        string id = StartContainer();
        string[] archives = [.. ((string[])["none", "gzip", "zstd"]).Select(compression =>
        {
            string archive = Path.Combine(_home, compression + ".tar");
            Podman("container", "checkpoint", "--leave-running", "--compress", compression, "--export", archive, id);
            return archive;
        })];
        foreach (string archive in archives)
        {
            CracImage image = CracImage.Open(archive);
            CracContainer container = image.Container!;
            Assert.Equal((id, "localhost/tiny:1", "runc", "Podman"), (container.Id, container.Image, container.Runtime, container.Engine));
            Assert.Equal("box", container.Name);
            Assert.Contains("/etc/changed", container.RootFileSystemChanges);
            Assert.Contains("/bin/cat", container.RootFileSystemDeletions);
            Assert.InRange(container.Created!.Value, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow);

            Assert.Equal(1, image.RootProcessId);
            Assert.Equal(["/bin/sh", "-c", Script], image.CommandLine);
            Assert.Contains("container=podman", image.Environment);
            Assert.Equal("/bin/busybox", image.Processes[0].Executable);
            Assert.True(image.Statistics!.FrozenTime > TimeSpan.Zero);
            foreach (string kind in (string[])["pid", "net", "ipc", "uts", "mnt"])
            {
                Assert.False(image.Namespaces.Single(n => n.Kind == kind).IsHost, kind);
            }

            Assert.Contains(image.Mounts, m => m is { MountPoint: "/proc", FileSystem: "proc" });
            Assert.Contains(image.Files, f => f.ProcessId == 1 && f.Kind == CracFileKind.Pipe);
            CracMemoryMatch match = new MemorySearch(image, MemoryPattern.FromString("NOTE=kept-in-the-container")).Run().First();
            Assert.Equal("NOTE=kept-in-the-container"u8, match.ReadMemory(26));
            Assert.Empty(ImageCheck.Run(image));
            Assert.DoesNotContain(new ImageContentReader(image).Read(), entry => entry.FileType == "UNKNOWN");
            ImageTraversal.Run(image);
            Assert.InRange(((ArchiveImageSource)image.Source).Unpacked.StartCount, 0, 2);
            AssertIsImported(image);
            AssertHasCore(image);
        }

        Assert.DoesNotContain(ImageComparison.Compare(CracImage.Open(archives[0]), CracImage.Open(archives[1])), d => d.Kind == CracDifferenceKind.File);
    }

    private static void AssertHasCore(CracImage archive)
    {
        using ReadableImage readable = ReadableImage.Open(archive, null, default);
        CracCoreDump core = CoreDumpExport.Run(new CoreDumpRequest { Process = readable.Image.Processes[0], DestinationPath = archive.Path + ".core" });
        Assert.Equal("/bin/busybox", core.Executable);
        Assert.False(core.IsIncomplete);
        Assert.Equal([1], new ElfCore(core.Path).Threads);
        Assert.True(File.ReadAllBytes(core.Path).AsSpan().IndexOf("NOTE=kept-in-the-container"u8) > 0);
    }

    private void AssertIsImported(CracImage archive)
    {
        string command = $"podman container restore --import {archive.Path}";
        ImportResult imported = ImageImport.Run(new ImportRequest { SourcePath = archive.Path, ImagePath = _home + "/imported", Force = true });
        string warning = Assert.Single(imported.Warnings);
        Assert.Contains("a container of Podman", warning, StringComparison.Ordinal);
        Assert.Contains(command, warning, StringComparison.Ordinal);
        Assert.Empty(ImageComparison.Compare(archive, imported.Image));
        Assert.Empty(ImageCheck.Run(imported.Image));
        Assert.DoesNotContain(Directory.GetFileSystemEntries(imported.Image.Path), static path => !path.EndsWith(".img", StringComparison.Ordinal) && Path.GetFileName(path) is not ("stats-dump" or "dump.log"));
        CracException refused = Expect.Failure(CracReason.NotAnImage, () => Restore.Run(new RestoreRequest { Image = archive, CriuPath = CriuProgram.Path }));
        Assert.Contains(command, refused.RecommendedAction, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        try
        {
            if (File.Exists(_home + "/id"))
            {
                Podman("rm", "--force", "--time", "0", "box");
            }
        }
        finally
        {
            // The container's monitor goes on writing for a moment after podman has removed the container.
            Wait.Until(TryDelete, () => $"{_home} cannot be removed");
        }
    }

    private bool TryDelete()
    {
        try
        {
            Directory.Delete(_home, recursive: true);
            return true;
        }
        catch (IOException)
        {
            return !Directory.Exists(_home);
        }
    }

    private string StartContainer()
    {
        string root = Path.Combine(_home, "rootfs");
        foreach (string folder in (string[])["bin", "proc", "sys", "dev", "tmp", "etc", "run"])
        {
            Directory.CreateDirectory(Path.Combine(root, folder));
        }

        File.Copy(CriuProgram.Find("busybox")!, root + "/bin/busybox");
        foreach (string name in (string[])["sh", "cat", "rm", "sleep"])
        {
            File.CreateSymbolicLink($"{root}/bin/{name}", "busybox");
        }

        // runc may not raise a limit without CAP_SYS_RESOURCE.
        File.WriteAllText(_home + "/containers.conf", "[containers]\ndefault_ulimits = [\"nofile=1000:1000\",\"nproc=1000:1000\"]\n");
        CriuProgram.RunProgram("tar", "-C", root, "-cf", _home + "/rootfs.tar", ".");
        Podman("import", _home + "/rootfs.tar", "localhost/tiny:1");
        Podman("run", "--detach", "--name", "box", "--cidfile", _home + "/id", "--network", "none", "--security-opt", "seccomp=unconfined", "localhost/tiny:1", "/bin/sh", "-c", Script);
        for (var clock = Stopwatch.StartNew(); Podman("exec", "box", "/bin/busybox", "ls", "/tmp").Trim() != "ready"; Thread.Sleep(50))
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(30), "the container did not get ready");
        }

        return File.ReadAllText(_home + "/id").Trim();
    }

    private string Podman(params string[] arguments)
    {
        string[] place =
        [
            "--root", _home + "/store", "--runroot", _home + "/run", "--tmpdir", _home + "/tmp", "--storage-driver", "vfs",
            "--cgroup-manager", "cgroupfs", "--runtime", "runc", "--events-backend", "none",
        ];
        var start = new ProcessStartInfo("podman", [.. place, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["CONTAINERS_CONF"] = _home + "/containers.conf";
        start.Environment["PATH"] = $"{Path.GetDirectoryName(CriuProgram.Path)}:{start.Environment["PATH"]}";
        start.Environment.Remove("CRIU_CONFIG_FILE");
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"podman {string.Join(' ', arguments)}: {error.Result}");
        return output;
    }
}
