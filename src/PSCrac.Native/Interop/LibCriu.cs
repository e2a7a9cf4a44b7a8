using System.Reflection;
using System.Runtime.InteropServices;

namespace PSCrac.Interop;

/// <summary>
/// libcriu's criu_local_* functions, with the names of criu.h. Each call has its own options, so operations can run
/// concurrently; libcriu's saved errno is global and is not used.
/// </summary>
internal static unsafe partial class LibCriu
{
    private const string Library = "criu";

    // The newest function below (criu 3.17), except those of criu 4.2 and 4.3, which are looked for before they are called.
    private const string NewestCall = "criu_local_feature_check";
    private static readonly Lock Gate = new();
    private static nint s_library;
    private static string? s_path;

    /// <summary>The path of the loaded library; null if none is loaded.</summary>
    internal static string? LoadedPath => s_path;

    /// <summary>Where the library's own dependency is loaded from, if it is there.</summary>
    internal static string DependencyOf(string path) => Path.Combine(Path.GetDirectoryName(path) ?? string.Empty, "libprotobuf-c.so.1");

    /// <summary>
    /// Loads the library once per process: the first one that loads is kept. Its dependency libprotobuf-c is loaded from
    /// the same folder if it exists there, because the loader does not search a private folder.
    /// </summary>
    /// <param name="path">A path, or a file name for the loader to find.</param>
    /// <param name="error">The loader's message on failure.</param>
    internal static bool TryLoad(string path, out string? error)
    {
        lock (Gate)
        {
            error = null;
            if (s_library != 0)
            {
                return true;
            }

            try
            {
                string dependency = DependencyOf(path);
                if (dependency.Contains('/', StringComparison.Ordinal) && File.Exists(dependency))
                {
                    NativeLibrary.Load(dependency);
                }

                nint library = NativeLibrary.Load(path);
                if (!NativeLibrary.TryGetExport(library, NewestCall, out _))
                {
                    NativeLibrary.Free(library);
                    error = $"{path} has no {NewestCall}: it is not libcriu, or one from before criu 3.17";
                    return false;
                }

                NativeLibrary.SetDllImportResolver(typeof(LibCriu).Assembly, Resolve);
                s_library = library;
                s_path = path;
                return true;
            }
            catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
            {
                error = e.Message;
                return false;
            }
        }
    }

    /// <summary>Whether the loaded library supports a configuration file (since libcriu 4.2).</summary>
    internal static bool CanReadConfigFile => Has(nameof(criu_local_set_config_file));

    /// <summary>Whether the loaded library has a function.</summary>
    internal static bool Has(string function) => s_library != 0 && NativeLibrary.TryGetExport(s_library, function, out _);

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? search) => name == Library ? s_library : 0;

    [LibraryImport(Library)]
    internal static partial int criu_local_init_opts(ref nint options);

    [LibraryImport(Library)]
    internal static partial void criu_local_free_opts(nint options);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int criu_local_set_service_binary(CriuOptionsHandle options, string path);

    [LibraryImport(Library)]
    internal static partial void criu_local_set_service_fd(CriuOptionsHandle options, int descriptor);

    [LibraryImport(Library)]
    internal static partial void criu_local_set_pid(CriuOptionsHandle options, int pid);

    [LibraryImport(Library)]
    internal static partial void criu_local_set_images_dir_fd(CriuOptionsHandle options, int descriptor);

    [LibraryImport(Library)]
    internal static partial void criu_local_set_work_dir_fd(CriuOptionsHandle options, int descriptor);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int criu_local_set_parent_images(CriuOptionsHandle options, string path);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int criu_local_set_log_file(CriuOptionsHandle options, string name);

    [LibraryImport(Library)]
    internal static partial void criu_local_set_log_level(CriuOptionsHandle options, int level);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int criu_local_set_config_file(CriuOptionsHandle options, string path);

    [LibraryImport(Library)]
    internal static partial void criu_local_set_leave_running(CriuOptionsHandle options, [MarshalAs(UnmanagedType.U1)] bool value);

    [LibraryImport(Library)]
    internal static partial void criu_local_set_shell_job(CriuOptionsHandle options, [MarshalAs(UnmanagedType.U1)] bool value);

    [LibraryImport(Library)]
    internal static partial void criu_local_set_tcp_established(CriuOptionsHandle options, [MarshalAs(UnmanagedType.U1)] bool value);

    [LibraryImport(Library)]
    internal static partial void criu_local_set_tcp_close(CriuOptionsHandle options, [MarshalAs(UnmanagedType.U1)] bool value);

    [LibraryImport(Library)]
    internal static partial void criu_local_set_ext_unix_sk(CriuOptionsHandle options, [MarshalAs(UnmanagedType.U1)] bool value);

    [LibraryImport(Library)]
    internal static partial void criu_local_set_file_locks(CriuOptionsHandle options, [MarshalAs(UnmanagedType.U1)] bool value);

    [LibraryImport(Library)]
    internal static partial void criu_local_set_link_remap(CriuOptionsHandle options, [MarshalAs(UnmanagedType.U1)] bool value);

    [LibraryImport(Library)]
    internal static partial void criu_local_set_track_mem(CriuOptionsHandle options, [MarshalAs(UnmanagedType.U1)] bool value);

    [LibraryImport(Library)]
    internal static partial void criu_local_set_ghost_limit(CriuOptionsHandle options, uint bytes);

    /// <summary>Since criu 4.3: 0 for none, 1 for LZ4.</summary>
    [LibraryImport(Library)]
    internal static partial int criu_local_set_compress(CriuOptionsHandle options, int mode);

    /// <summary>Since criu 4.3.</summary>
    [LibraryImport(Library)]
    internal static partial void criu_local_set_lazy_pages(CriuOptionsHandle options, [MarshalAs(UnmanagedType.U1)] bool value);

    [LibraryImport(Library)]
    internal static partial void criu_local_set_timeout(CriuOptionsHandle options, uint seconds);

    [LibraryImport(Library)]
    internal static partial int criu_local_set_network_lock(CriuOptionsHandle options, int method);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int criu_local_add_inherit_fd(CriuOptionsHandle options, int descriptor, string key);

    [LibraryImport(Library)]
    internal static partial void criu_local_set_notify_cb(CriuOptionsHandle options, delegate* unmanaged[Cdecl]<byte*, nint, int> callback);

    [LibraryImport(Library)]
    internal static partial int criu_notify_pid(nint notification);

    [LibraryImport(Library)]
    internal static partial int criu_local_dump(CriuOptionsHandle options);

    [LibraryImport(Library)]
    internal static partial int criu_local_restore(CriuOptionsHandle options);

    [LibraryImport(Library)]
    internal static partial int criu_local_check(CriuOptionsHandle options);

    [LibraryImport(Library)]
    internal static partial int criu_local_get_version(CriuOptionsHandle options);

    [LibraryImport(Library)]
    internal static partial int criu_local_feature_check(CriuOptionsHandle options, FeatureCheck* features, nuint size);

    /// <summary>struct criu_feature_check of criu.h: three C bools.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct FeatureCheck
    {
        internal byte MemTrack;
        internal byte LazyPages;
        internal byte PidFdStore;
    }
}
