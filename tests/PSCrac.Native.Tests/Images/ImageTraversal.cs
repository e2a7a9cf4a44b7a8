using PSCrac.Images.Operations;

namespace PSCrac.Tests.Images;

/// <summary>Reads all members of an image.</summary>
internal static class ImageTraversal
{
    internal static void Run(CracImage image)
    {
        _ = image.Command + image.CriuVersion + image.Container + image.Cpu;
        _ = image.Memory + image.Size + image.ThreadCount + (image.Statistics?.PagesWritten ?? 0) + image.CommandLine.Count + image.Environment.Count + image.CpuFeatures.Count;
        foreach (CracImageProcess process in image.Processes)
        {
            _ = process.Memory + process.VirtualMemory + process.DescriptorCount + process.CommandLine.Count + process.Environment.Count + (process.Credentials?.Groups.Count ?? 0);
            _ = process.Executable + process.WorkingDirectory;
            _ = process.MemoryAreas.Sum(a => (double)a.Dumped + a.Path.Length);
        }

        _ = string.Concat(image.Files) + string.Concat(image.Sockets) + string.Concat(image.Timers) + string.Concat(image.Mounts) + string.Concat(image.Namespaces);
        _ = image.Files.Sum(f => f.Flags.Length + (double)(f.Size ?? 0) + (f.Position ?? 0));
        _ = image.IsRestorable(out _);
        _ = ImageCheck.Run(image).Count();
        _ = new MemorySearch(image, MemoryPattern.FromString("python")).Run().Take(20).Count();
        _ = ImageComparison.Compare(image, image, withPages: false).Count();
    }
}
