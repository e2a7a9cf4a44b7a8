using System.Diagnostics;
using System.Globalization;
using Microsoft.Win32.SafeHandles;
using PSCrac.Checkpointing;
using PSCrac.Criu;
using PSCrac.Interop;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Checkpointing;

/// <summary>That what makes restores quick happens. How much it brings is measured in bench/startup.</summary>
public class RestoreSpeedTests
{
    [Fact]
    public void An_event_is_open_while_criu_works_and_closed_afterwards()
    {
        using (SafeFileHandle probe = LibC.OpenIdleEvent(out int errno))
        {
            if (errno != 0)
            {
                // A container's filter, or kernel.perf_event_paranoid; criu is then as quick as it is.
                Assert.Contains(errno, new[] { LibC.EPERM, LibC.EACCES, 38 });
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
    public void Dumped_memory_is_read_ahead()
    {
        using Subject subject = Subject.Python("b = b'x' * (8 << 20)\nprint('ready', flush=True)\nimport time\ntime.sleep(1000)", "ready");
        subject.Checkpoint();
        string pages = Path.Combine(subject.ImagePath, "pages-1.img");
        Wait.Until(
            () =>
            {
                CriuProgram.RunProgram("dd", $"of={pages}", "oflag=nocache", "conv=notrunc,fdatasync", "count=0");
                return Resident(pages) == 0;
            },
            () => "the file stays in the page cache");
        using SafeFileHandle directory = LibC.OpenAt(null, subject.ImagePath, LibC.O_RDONLY | LibC.O_DIRECTORY, out _);

        using (PagesReadahead.Begin(directory, CracImage.Open(subject.ImagePath)))
        {
        }

        Wait.Until(() => Resident(pages) > 0, () => "nothing of it is in the page cache");
    }

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
