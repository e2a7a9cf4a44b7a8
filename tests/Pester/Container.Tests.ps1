# A service whose image is baked into a container's, as about_PSCrac_Services shows it: made in one container, restored in others.

BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $root = [IO.Path]::GetFullPath("$PSScriptRoot/../..")
    $obstacle = (Get-CriuObstacle podman, runc, busybox) ??
    ((Test-Path "$root/out/PSCrac/crac-start") ? $null : 'crac-start was not compiled ahead') ??
    ((Test-Path "$root/.tools/criu/root") ? $null : 'there is no criu of the checkout''s own to copy')
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
    $root = [IO.Path]::GetFullPath("$PSScriptRoot/../..")

    # With stores of its own below the test's folder.
    function Invoke-Podman {
        $place = '--root', "$folder/store", '--runroot', "$folder/run", '--tmpdir', "$folder/tmp", '--storage-driver', 'vfs', '--cgroup-manager', 'cgroupfs', '--runtime', 'runc', '--events-backend', 'none'
        $said = & podman @place @args 2>&1
        if ($LASTEXITCODE -ne 0) { throw "podman $args`: $said" }
        $said
    }

    # What a program without a container needs: a shell, crac-start with the libraries that it is linked with, criu, and the description.
    function New-ContainerRoot([string] $Path) {
        foreach ($name in 'bin', 'proc', 'sys', 'dev', 'tmp', 'etc', 'run', 'opt/pscrac', 'var/lib/pscrac/services') { $null = New-Item -ItemType Directory "$Path/$name" -Force }
        $start = "$root/out/PSCrac/crac-start"
        Copy-Item $start "$Path/opt/pscrac"
        Copy-Item "$root/.tools/criu" "$Path/opt/criu" -Recurse
        Copy-Item (Find-Program busybox) "$Path/bin/busybox"
        foreach ($name in 'sh', 'cat', 'sleep', 'readlink', 'rm') { $null = New-Item -ItemType SymbolicLink "$Path/bin/$name" -Value busybox }
        foreach ($library in (& ldd $start) -match '/' -replace '^(.* => )?\s*(/\S+) .*$', '$2') {
            $null = New-Item -ItemType Directory "$Path$(Split-Path $library)" -Force
            [IO.File]::Copy($library, "$Path$library")
        }
        Set-Content "$Path/opt/shop.sh" "trap 'exit 3' TERM", 'n=0', 'while :; do n=$((n+1)); echo $n >/tmp/n; sleep 0.1; done'
        $description = "$Path/var/lib/pscrac/services/shop.json"
        Set-Content $description '{"name":"shop","filePath":"/bin/sh","arguments":["/opt/shop.sh"],"workingDirectory":"/","readyFile":"/tmp/n"}'
        & chmod -R go-w $Path
        & chmod 600 $description
    }

    function Wait-Line([string] $Container, [string] $Pattern) {
        $find = { @(Invoke-Podman logs $Container).ForEach({ "$_" }) -match $Pattern }
        Wait-Until { & $find } "$Container says $Pattern"
        & $find
    }
}

AfterAll {
    if (Test-Path "$folder/store") { $null = Invoke-Podman rm --all --force --time 0 }
    # The monitors of the containers write for a moment after them.
    if ($folder) { Wait-Until { try { Remove-Item "$folder/store", "$folder/run", "$folder/tmp" -Recurse -Force -ErrorAction Stop; $true } catch { -not (Test-Path "$folder/store") } } 'podman''s folders are removed' }
    Exit-CracTest
}

Describe "A container$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    It 'makes the image of its service, which others have baked in and are restored from' {
        # runc may not raise a limit without CAP_SYS_RESOURCE.
        Set-Content "$folder/containers.conf" '[containers]', 'default_ulimits = ["nofile=1000:1000","nproc=1000:1000"]'
        Set-TestVariable CONTAINERS_CONF "$folder/containers.conf"
        New-ContainerRoot "$folder/context/rootfs"
        Set-Content "$folder/context/Containerfile" 'FROM scratch', 'COPY rootfs/ /',
        'ENV PATH=/bin CRAC_CRIU_PATH=/opt/criu/bin/criu CRAC_LIBCRIU_PATH=/opt/criu/lib/libcriu.so.2', 'ENTRYPOINT ["/opt/pscrac/crac-start", "shop"]'
        $null = Invoke-Podman build --isolation chroot --tag shop --file "$folder/context/Containerfile" "$folder/context"

        # As the help page has it, but for the network, of which this has none.
        $rights = '--network', 'none', '--security-opt', 'seccomp=unconfined', '--cap-add', 'SYS_ADMIN,SYS_PTRACE,CHECKPOINT_RESTORE,NET_ADMIN,SYS_TIME'
        $null = New-Item -ItemType Directory "$folder/warm/images"
        $null = Invoke-Podman run --detach --name first @rights --volume "$folder/warm/images:/var/lib/pscrac/images" shop
        $null = Wait-Line first 'Checkpointed to'
        # In a container low ids are taken by the next one's crac-start.
        Wait-Line first 'Started as process' | Should -Match 'process 1\d{4},'
        $null = Invoke-Podman rm --force --time 0 first

        Set-Content "$folder/warm/Containerfile" 'FROM shop', 'COPY --chown=0:0 images /var/lib/pscrac/images'
        $null = Invoke-Podman build --isolation chroot --tag shop-warm --file "$folder/warm/Containerfile" "$folder/warm"
        foreach ($name in 'second', 'third') {
            $null = Invoke-Podman run --detach --name $name @rights shop-warm
            Wait-Line $name 'Restored from' | Should -Match '/var/lib/pscrac/images/shop/\d{8}-\d{6} as process 1\d{4} '
            [int] (Invoke-Podman exec $name cat /tmp/n) | Should -BeGreaterThan 0
            $null = Invoke-Podman stop $name
            Invoke-Podman inspect $name --format '{{.State.ExitCode}}' | Should -Be 3
        }
    }
}
