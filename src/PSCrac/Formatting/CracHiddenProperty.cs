using System.Management.Automation;

namespace PSCrac;

/// <summary>
/// What PSCrac.Types.ps1xml shows to PowerShell as properties: the engine's extension properties, by the name of type and
/// property. They are hidden, so that whatever writes out all properties leaves them out; asked for by name they are there.
/// </summary>
public static class CracHiddenProperty
{
    /// <summary>CracImage.Processes.</summary>
    public static object? CracImageProcesses(PSObject instance) => ((CracImage)instance.BaseObject).Processes;

    /// <summary>CracImage.Files.</summary>
    public static object? CracImageFiles(PSObject instance) => ((CracImage)instance.BaseObject).Files;

    /// <summary>CracImage.Sockets.</summary>
    public static object? CracImageSockets(PSObject instance) => ((CracImage)instance.BaseObject).Sockets;

    /// <summary>CracImage.MemoryAreas.</summary>
    public static object? CracImageMemoryAreas(PSObject instance) => ((CracImage)instance.BaseObject).MemoryAreas;

    /// <summary>CracImage.Timers.</summary>
    public static object? CracImageTimers(PSObject instance) => ((CracImage)instance.BaseObject).Timers;

    /// <summary>CracImage.Mounts.</summary>
    public static object? CracImageMounts(PSObject instance) => ((CracImage)instance.BaseObject).Mounts;

    /// <summary>CracImage.Namespaces.</summary>
    public static object? CracImageNamespaces(PSObject instance) => ((CracImage)instance.BaseObject).Namespaces;

    /// <summary>CracImage.CommandLine.</summary>
    public static object? CracImageCommandLine(PSObject instance) => ((CracImage)instance.BaseObject).CommandLine;

    /// <summary>CracImage.Environment.</summary>
    public static object? CracImageEnvironment(PSObject instance) => ((CracImage)instance.BaseObject).Environment;

    /// <summary>CracImage.CpuFeatures.</summary>
    public static object? CracImageCpuFeatures(PSObject instance) => ((CracImage)instance.BaseObject).CpuFeatures;

    /// <summary>CracImage.Cpu.</summary>
    public static object? CracImageCpu(PSObject instance) => ((CracImage)instance.BaseObject).Cpu;

    /// <summary>CracImage.ProcessIds.</summary>
    public static object? CracImageProcessIds(PSObject instance) => ((CracImage)instance.BaseObject).ProcessIds;

    /// <summary>CracImage.ThreadIds.</summary>
    public static object? CracImageThreadIds(PSObject instance) => ((CracImage)instance.BaseObject).ThreadIds;

    /// <summary>CracImage.Manifest.</summary>
    public static object? CracImageManifest(PSObject instance) => ((CracImage)instance.BaseObject).Manifest;

    /// <summary>CracImage.Host.</summary>
    public static object? CracImageHost(PSObject instance) => ((CracImage)instance.BaseObject).Host;

    /// <summary>CracImage.Options.</summary>
    public static object? CracImageOptions(PSObject instance) => ((CracImage)instance.BaseObject).Options;

    /// <summary>CracImage.Statistics.</summary>
    public static object? CracImageStatistics(PSObject instance) => ((CracImage)instance.BaseObject).Statistics;

    /// <summary>CracImage.Container.</summary>
    public static object? CracImageContainer(PSObject instance) => ((CracImage)instance.BaseObject).Container;

    /// <summary>CracImageProcess.ThreadIds.</summary>
    public static object? CracImageProcessThreadIds(PSObject instance) => ((CracImageProcess)instance.BaseObject).ThreadIds;

    /// <summary>CracImageProcess.Files.</summary>
    public static object? CracImageProcessFiles(PSObject instance) => ((CracImageProcess)instance.BaseObject).Files;

    /// <summary>CracImageProcess.Sockets.</summary>
    public static object? CracImageProcessSockets(PSObject instance) => ((CracImageProcess)instance.BaseObject).Sockets;

    /// <summary>CracImageProcess.MemoryAreas.</summary>
    public static object? CracImageProcessMemoryAreas(PSObject instance) => ((CracImageProcess)instance.BaseObject).MemoryAreas;

    /// <summary>CracImageProcess.Timers.</summary>
    public static object? CracImageProcessTimers(PSObject instance) => ((CracImageProcess)instance.BaseObject).Timers;

    /// <summary>CracImageProcess.Credentials.</summary>
    public static object? CracImageProcessCredentials(PSObject instance) => ((CracImageProcess)instance.BaseObject).Credentials;

    /// <summary>CracImageProcess.CommandLine.</summary>
    public static object? CracImageProcessCommandLine(PSObject instance) => ((CracImageProcess)instance.BaseObject).CommandLine;

    /// <summary>CracImageProcess.Environment.</summary>
    public static object? CracImageProcessEnvironment(PSObject instance) => ((CracImageProcess)instance.BaseObject).Environment;

    /// <summary>CracImageProcess.Details.</summary>
    public static object? CracImageProcessDetails(PSObject instance) => ((CracImageProcess)instance.BaseObject).Details;

    /// <summary>CracImageFile.Details.</summary>
    public static object? CracImageFileDetails(PSObject instance) => ((CracImageFile)instance.BaseObject).Details;

    /// <summary>CracImageSocket.Options.</summary>
    public static object? CracImageSocketOptions(PSObject instance) => ((CracImageSocket)instance.BaseObject).Options;

    /// <summary>CracImageSocket.Details.</summary>
    public static object? CracImageSocketDetails(PSObject instance) => ((CracImageSocket)instance.BaseObject).Details;

    /// <summary>CracImageMount.Details.</summary>
    public static object? CracImageMountDetails(PSObject instance) => ((CracImageMount)instance.BaseObject).Details;

    /// <summary>CracImageTimer.Details.</summary>
    public static object? CracImageTimerDetails(PSObject instance) => ((CracImageTimer)instance.BaseObject).Details;

    /// <summary>CracImageNamespace.Details.</summary>
    public static object? CracImageNamespaceDetails(PSObject instance) => ((CracImageNamespace)instance.BaseObject).Details;

    /// <summary>CracMemoryMatch.Process.</summary>
    public static object? CracMemoryMatchProcess(PSObject instance) => ((CracMemoryMatch)instance.BaseObject).Process;

    /// <summary>CracMemoryMatch.Bytes.</summary>
    public static object? CracMemoryMatchBytes(PSObject instance) => ((CracMemoryMatch)instance.BaseObject).Bytes;

    /// <summary>CracMemoryMatch.ContextBytes.</summary>
    public static object? CracMemoryMatchContextBytes(PSObject instance) => ((CracMemoryMatch)instance.BaseObject).ContextBytes;

    /// <summary>CracRestoredProcess.Findings.</summary>
    public static object? CracRestoredProcessFindings(PSObject instance) => ((CracRestoredProcess)instance.BaseObject).Findings;

    /// <summary>CracStartupMeasurement.Cold.</summary>
    public static object? CracStartupMeasurementCold(PSObject instance) => ((CracStartupMeasurement)instance.BaseObject).Cold;

    /// <summary>CracStartupMeasurement.Restored.</summary>
    public static object? CracStartupMeasurementRestored(PSObject instance) => ((CracStartupMeasurement)instance.BaseObject).Restored;

    /// <summary>CracStartupMeasurement.Samples.</summary>
    public static object? CracStartupMeasurementSamples(PSObject instance) => ((CracStartupMeasurement)instance.BaseObject).Samples;
}
