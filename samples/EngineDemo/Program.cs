// The story of samples/demo.ps1 without PowerShell: the engine as a plain C# library. Checkpoints a running program,
// restores it, and exits 0 only if not one number was lost or repeated.
using System.Diagnostics;
using System.Globalization;
using PSCrac;
using PSCrac.Checkpointing;
using PSCrac.Options;
using PSCrac.Restoring;

string folder = Directory.CreateTempSubdirectory("pscrac-demo-").FullName;
string output = Path.Combine(folder, "numbers.txt");
string counter = Path.Combine(AppContext.BaseDirectory, "../../../../Counter/bin", Configuration(), "net10.0/counter.dll");
int id = 0;
try
{
    id = StartDetached("dotnet", Path.GetFullPath(counter), "--interval", "250", "--output", output);
    Console.WriteLine($"A program counts, four numbers a second. It is process {id}.");
    Show(1, 8);

    var request = new CheckpointRequest { ProcessId = id, ImagePath = Path.Combine(folder, "image"), PidTimeout = TimeSpan.FromSeconds(20) };
    CracImage image = Checkpoint.Run(request).Image;
    long last = Numbers()[^1];
    Console.WriteLine($"\nFrozen into {image.Path}: {image.ProcessCount} process, {image.ThreadCount} threads, {image.Memory >> 10} KiB of memory, frozen for {image.Statistics?.FrozenTime.TotalMilliseconds:0} ms.");
    Console.WriteLine(Directory.Exists($"/proc/{id}") ? throw new InvalidOperationException($"process {id} still runs") : $"There is no process {id} now. The last number it wrote is {last}.");
    Thread.Sleep(TimeSpan.FromSeconds(2));

    using CracRestoredProcess restored = Restore.Run(new RestoreRequest { Image = image, PidTimeout = TimeSpan.FromSeconds(20) });
    Console.WriteLine($"\nRestored as process {restored.Id} in {restored.RestoreTime.TotalMilliseconds:0} ms. It goes on with {last + 1}.");
    Show(last + 1, 8);

    End(restored);
    id = 0;
    List<long> all = Numbers();
    for (int i = 0; i < all.Count; i++)
    {
        if (all[i] != i + 1)
        {
            throw new InvalidOperationException($"line {i + 1} holds {all[i]}");
        }
    }

    Console.WriteLine($"\nChecked: 1 to {all[^1]}, not one number lost or repeated.");
    return 0;
}
catch (Exception e) when (e is CracException or InvalidOperationException or TimeoutException)
{
    Console.Error.WriteLine($"The demo failed: {e.Message} {(e as CracException)?.RecommendedAction}");
    return 1;
}
finally
{
    if (id != 0)
    {
        Process.GetProcessById(id).Kill();
    }

    Directory.Delete(folder, recursive: true);
}

static string Configuration() => new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;

// A session of its own and no pipes to this program: what it holds open must be its own for a checkpoint to be simple.
static int StartDetached(params string[] command)
{
    var start = new ProcessStartInfo("sh", ["-c", "setsid \"$@\" </dev/null >/dev/null 2>&1 & echo $!", "sh", .. command])
    {
        RedirectStandardOutput = true,
    };
    using Process shell = Process.Start(start)!;
    return int.Parse(shell.StandardOutput.ReadToEnd(), CultureInfo.InvariantCulture);
}

static void End(CracRestoredProcess restored)
{
    using Process process = Process.GetProcessById(restored.Id);
    process.Kill();
    restored.WaitForExit(TimeSpan.FromSeconds(20));
}

List<long> Numbers()
{
    string[] lines = File.Exists(output) ? File.ReadAllText(output).Split('\n') : [];

    // The last line may be half written.
    return [.. lines.SkipLast(1).Select(line => long.Parse(line, CultureInfo.InvariantCulture))];
}

void Show(long from, int count)
{
    for (long number = from; number < from + count; number++)
    {
        long end = Environment.TickCount64 + 30_000;
        while (Numbers().Count < number)
        {
            Thread.Sleep(50);
            if (Environment.TickCount64 > end)
            {
                throw new TimeoutException($"the counter has not reached {number} within 30 seconds");
            }
        }

        Console.Write($"{number} ");
    }

    Console.WriteLine();
}
