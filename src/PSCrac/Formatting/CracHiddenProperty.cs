using System.Management.Automation;
using System.Reflection;

namespace PSCrac;

/// <summary>
/// What PowerShell shows as properties of the engine's objects beside their own: the engine's extension properties, a getter each,
/// named by type and property with an underscore between them. They are hidden, so that whatever writes out all properties leaves
/// them out; asked for by name they are there.
/// </summary>
public static class CracHiddenProperty
{
    /// <summary>CracImage.Processes.</summary>
    public static object? CracImage_Processes(PSObject instance) => ((CracImage)instance.BaseObject).Processes;

    /// <summary>CracImage.Files.</summary>
    public static object? CracImage_Files(PSObject instance) => ((CracImage)instance.BaseObject).Files;

    /// <summary>CracImage.Sockets.</summary>
    public static object? CracImage_Sockets(PSObject instance) => ((CracImage)instance.BaseObject).Sockets;

    /// <summary>CracImage.MemoryAreas.</summary>
    public static object? CracImage_MemoryAreas(PSObject instance) => ((CracImage)instance.BaseObject).MemoryAreas;

    /// <summary>CracImage.Timers.</summary>
    public static object? CracImage_Timers(PSObject instance) => ((CracImage)instance.BaseObject).Timers;

    /// <summary>CracImage.Mounts.</summary>
    public static object? CracImage_Mounts(PSObject instance) => ((CracImage)instance.BaseObject).Mounts;

    /// <summary>CracImage.Namespaces.</summary>
    public static object? CracImage_Namespaces(PSObject instance) => ((CracImage)instance.BaseObject).Namespaces;

    /// <summary>CracImage.CommandLine.</summary>
    public static object? CracImage_CommandLine(PSObject instance) => ((CracImage)instance.BaseObject).CommandLine;

    /// <summary>CracImage.Environment.</summary>
    public static object? CracImage_Environment(PSObject instance) => ((CracImage)instance.BaseObject).Environment;

    /// <summary>CracImage.CpuFeatures.</summary>
    public static object? CracImage_CpuFeatures(PSObject instance) => ((CracImage)instance.BaseObject).CpuFeatures;

    /// <summary>CracImage.Cpu.</summary>
    public static object? CracImage_Cpu(PSObject instance) => ((CracImage)instance.BaseObject).Cpu;

    /// <summary>CracImage.ProcessIds.</summary>
    public static object? CracImage_ProcessIds(PSObject instance) => ((CracImage)instance.BaseObject).ProcessIds;

    /// <summary>CracImage.ThreadIds.</summary>
    public static object? CracImage_ThreadIds(PSObject instance) => ((CracImage)instance.BaseObject).ThreadIds;

    /// <summary>CracImage.Manifest.</summary>
    public static object? CracImage_Manifest(PSObject instance) => ((CracImage)instance.BaseObject).Manifest;

    /// <summary>CracImage.Host.</summary>
    public static object? CracImage_Host(PSObject instance) => ((CracImage)instance.BaseObject).Host;

    /// <summary>CracImage.Options.</summary>
    public static object? CracImage_Options(PSObject instance) => ((CracImage)instance.BaseObject).Options;

    /// <summary>CracImage.Statistics.</summary>
    public static object? CracImage_Statistics(PSObject instance) => ((CracImage)instance.BaseObject).Statistics;

    /// <summary>CracImage.Container.</summary>
    public static object? CracImage_Container(PSObject instance) => ((CracImage)instance.BaseObject).Container;

    /// <summary>CracImage.ServiceName.</summary>
    public static object? CracImage_ServiceName(PSObject instance) => ((CracImage)instance.BaseObject).ServiceName;

    /// <summary>CracImage.IsCompressed.</summary>
    public static object? CracImage_IsCompressed(PSObject instance) => ((CracImage)instance.BaseObject).IsCompressed;

    /// <summary>CracImage.IsEncrypted.</summary>
    public static object? CracImage_IsEncrypted(PSObject instance) => ((CracImage)instance.BaseObject).IsEncrypted;

    /// <summary>CracImageProcess.ThreadIds.</summary>
    public static object? CracImageProcess_ThreadIds(PSObject instance) => ((CracImageProcess)instance.BaseObject).ThreadIds;

    /// <summary>CracImageProcess.Files.</summary>
    public static object? CracImageProcess_Files(PSObject instance) => ((CracImageProcess)instance.BaseObject).Files;

    /// <summary>CracImageProcess.Sockets.</summary>
    public static object? CracImageProcess_Sockets(PSObject instance) => ((CracImageProcess)instance.BaseObject).Sockets;

    /// <summary>CracImageProcess.MemoryAreas.</summary>
    public static object? CracImageProcess_MemoryAreas(PSObject instance) => ((CracImageProcess)instance.BaseObject).MemoryAreas;

    /// <summary>CracImageProcess.Timers.</summary>
    public static object? CracImageProcess_Timers(PSObject instance) => ((CracImageProcess)instance.BaseObject).Timers;

    /// <summary>CracImageProcess.Credentials.</summary>
    public static object? CracImageProcess_Credentials(PSObject instance) => ((CracImageProcess)instance.BaseObject).Credentials;

    /// <summary>CracImageProcess.CommandLine.</summary>
    public static object? CracImageProcess_CommandLine(PSObject instance) => ((CracImageProcess)instance.BaseObject).CommandLine;

    /// <summary>CracImageProcess.Environment.</summary>
    public static object? CracImageProcess_Environment(PSObject instance) => ((CracImageProcess)instance.BaseObject).Environment;

    /// <summary>CracImageProcess.Details.</summary>
    public static object? CracImageProcess_Details(PSObject instance) => ((CracImageProcess)instance.BaseObject).Details;

    /// <summary>CracImageFile.Details.</summary>
    public static object? CracImageFile_Details(PSObject instance) => ((CracImageFile)instance.BaseObject).Details;

    /// <summary>CracImageSocket.Options.</summary>
    public static object? CracImageSocket_Options(PSObject instance) => ((CracImageSocket)instance.BaseObject).Options;

    /// <summary>CracImageSocket.Details.</summary>
    public static object? CracImageSocket_Details(PSObject instance) => ((CracImageSocket)instance.BaseObject).Details;

    /// <summary>CracImageMount.Details.</summary>
    public static object? CracImageMount_Details(PSObject instance) => ((CracImageMount)instance.BaseObject).Details;

    /// <summary>CracImageTimer.Details.</summary>
    public static object? CracImageTimer_Details(PSObject instance) => ((CracImageTimer)instance.BaseObject).Details;

    /// <summary>CracImageNamespace.Details.</summary>
    public static object? CracImageNamespace_Details(PSObject instance) => ((CracImageNamespace)instance.BaseObject).Details;

    /// <summary>CracMemoryMatch.Process.</summary>
    public static object? CracMemoryMatch_Process(PSObject instance) => ((CracMemoryMatch)instance.BaseObject).Process;

    /// <summary>CracMemoryMatch.Bytes.</summary>
    public static object? CracMemoryMatch_Bytes(PSObject instance) => ((CracMemoryMatch)instance.BaseObject).Bytes;

    /// <summary>CracMemoryMatch.ContextBytes.</summary>
    public static object? CracMemoryMatch_ContextBytes(PSObject instance) => ((CracMemoryMatch)instance.BaseObject).ContextBytes;

    /// <summary>CracRestoredProcess.Findings.</summary>
    public static object? CracRestoredProcess_Findings(PSObject instance) => ((CracRestoredProcess)instance.BaseObject).Findings;

    /// <summary>CracStartupMeasurement.Cold.</summary>
    public static object? CracStartupMeasurement_Cold(PSObject instance) => ((CracStartupMeasurement)instance.BaseObject).Cold;

    /// <summary>CracStartupMeasurement.Restored.</summary>
    public static object? CracStartupMeasurement_Restored(PSObject instance) => ((CracStartupMeasurement)instance.BaseObject).Restored;

    /// <summary>CracStartupMeasurement.Samples.</summary>
    public static object? CracStartupMeasurement_Samples(PSObject instance) => ((CracStartupMeasurement)instance.BaseObject).Samples;

    /// <summary>The type and the property that a getter of this class is for.</summary>
    internal static (Type Type, string Name) Of(MethodInfo getter)
    {
        string[] parts = getter.Name.Split('_');
        return (typeof(CracImage).Assembly.GetType($"PSCrac.{parts[0]}", throwOnError: true)!, parts[1]);
    }
}
