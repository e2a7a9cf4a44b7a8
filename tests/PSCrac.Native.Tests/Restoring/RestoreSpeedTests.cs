using System.Diagnostics;
using System.Globalization;
using Microsoft.Win32.SafeHandles;
using PSCrac.Criu;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Restoring;

/// <summary>That what makes restores quick happens. How much it brings is measured in bench/startup.</summary>
public class RestoreSpeedTests
{
    [Fact]
    public void An_event_is_open_while_criu_works_and_closed_afterwards()
    {
        using (SafeFileHandle probe = LibC.OpenIdleEvent(out Errno errno))
        {
            if (errno != 0)
            {
                // A container's filter, or kernel.perf_event_paranoid; criu is then as quick as it is.
                Assert.Contains(errno, new[] { Errno.EPERM, Errno.EACCES, Errno.ENOSYS });
                return;
            }
        }

        Wait.Until(() => CountEvents() == 0, () => "another test's event stays open");
        using (BreakpointPreparation.Begin())
        {
            Wait.Until(() => CountEvents() == 1, () => "no event");
        }

        Wait.Until(() => CountEvents() == 0, () => "the event is still open");
    }

    [CriuFact("python3", "dd", "fincore")]
    public void Dumped_memory_is_read_ahead_and_with_it_what_was_mapped()
    {
        using var folder = new TemporaryFolder();
        string mapped = folder.At("mapped");
        File.WriteAllBytes(mapped, new byte[1 << 20]);
        string written = folder.At("written");
        File.WriteAllBytes(written, new byte[1 << 20]);
        using Subject subject = Subject.Of(["python3", "-c", """
            import mmap, sys, time
            b = b'x' * (8 << 20)
            with open(sys.argv[1]) as f:
                mapped = mmap.mmap(f.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ)
            with open(sys.argv[2], "r+") as f:
                written = mmap.mmap(f.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
            print('ready', flush=True)
            time.sleep(1000)
            """, mapped, written]);
        subject.Checkpoint();
        string pages = Path.Combine(subject.ImagePath, "pages-1.img");
        using FolderHandle directory = FolderHandle.TryOpen(subject.ImagePath, out _)!;

        // With its memory in the page cache, the rest is taken to be there as well.
        Evict(mapped);
        File.ReadAllBytes(pages);
        ReadAhead(directory, subject.ImagePath);
        Assert.Equal(0, Resident(mapped));

        Evict(mapped);
        Evict(written);
        Evict(pages);
        ReadAhead(directory, subject.ImagePath);
        Wait.Until(() => Resident(pages) > 0, () => "nothing of it is in the page cache");
        if (KernelTells(pages))
        {
            Wait.Until(() => Resident(mapped) > 0, () => "nothing of what was mapped is in the page cache");
        }

        Assert.Equal(0, Resident(written));
    }

    private static void ReadAhead(FolderHandle directory, string imagePath)
    {
        using var readahead = RestoreReadahead.Begin(directory, CracImage.Open(imagePath));
        Assert.True(readahead.ContinueAfter(Task.CompletedTask).Wait(Wait.Limit));
    }

    private static bool KernelTells(string path)
    {
        using SafeFileHandle file = File.OpenHandle(path);
        return LibC.CachedBytes(file, 1) is not null;
    }

    private static void Evict(string path) => Wait.Until(
        () =>
        {
            CriuProgram.RunProgram("dd", $"of={path}", "oflag=nocache", "conv=notrunc,fdatasync", "count=0");
            return Resident(path) == 0;
        },
        () => "the file stays in the page cache");

    private static int CountEvents() =>
        Directory.EnumerateFiles("/proc/self/fd").Count(static file => new FileInfo(file).LinkTarget == "anon_inode:[perf_event]");

    private static long Resident(string path)
    {
        using Process fincore = Process.Start(new ProcessStartInfo("fincore", ["--bytes", "--noheadings", "--output", "RES", path]) { RedirectStandardOutput = true })!;
        string bytes = fincore.StandardOutput.ReadToEnd();
        fincore.WaitForExit();
        return long.Parse(bytes.Trim(), CultureInfo.InvariantCulture);
    }
}
