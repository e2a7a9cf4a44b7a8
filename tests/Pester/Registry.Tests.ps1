# Images in a registry: a real one on loopback, plain, and with TLS and a password; two image roots and state folders stand for two machines.

BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle skopeo, docker-registry, python3, ssh-keygen
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
    $registries = @{}

    function Start-Registry([string] $Name, [string] $Http = '', [string] $More = '', [switch] $NoDelete, [int] $Port = 0, [string] $Storage = "$folder/$Name") {
        if (-not $Port) {
            $listener = [Net.Sockets.TcpListener]::new([Net.IPAddress]::Loopback, 0)
            $listener.Start()
            $Port = $listener.LocalEndpoint.Port
            $listener.Stop()
        }
        Set-Content "$folder/$Name.yml" @"
version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: $Storage }, delete: { enabled: $(if ($NoDelete) { 'false' } else { 'true' }) } }
http: { addr: 127.0.0.1:$Port$Http }
$More
"@
        $start = [Diagnostics.ProcessStartInfo]::new('docker-registry', [string[]]('serve', "$folder/$Name.yml"))
        $start.RedirectStandardOutput = $start.RedirectStandardError = $true
        # It takes variables with such names for its own configuration.
        $null = $start.Environment.Remove('REGISTRY_AUTH_FILE')
        $process = [Diagnostics.Process]::Start($start)
        $process.BeginOutputReadLine()
        $process.BeginErrorReadLine()
        $registries[$Name] = $process
        Wait-Until {
            $client = [Net.Sockets.TcpClient]::new()
            try { $client.Connect('127.0.0.1', $Port); $true } catch { $false } finally { $client.Dispose() }
        } "the registry $Name listens"
        $Port
    }

    function Stop-Registry([string] $Name) {
        $registries[$Name].Kill()
        $registries[$Name].WaitForExit()
    }

    function Use-Machine([string] $Name) {
        Set-TestVariable 'PSCRAC_IMAGE_ROOT' "$folder/$Name/images"
        Set-TestVariable 'PSCRAC_STATE_ROOT' "$folder/$Name/state"
    }

    # What skopeo and podman of whoever runs the tests have set up is not looked at.
    Set-TestVariable 'REGISTRY_AUTH_FILE' "$folder/none.json"
}

AfterAll {
    foreach ($each in $registries.Values) {
        if (-not $each.HasExited) { $each.Kill(); $each.WaitForExit() }
    }
    Exit-CracTest
}

Describe "images in a registry$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        Use-Machine 'one'
        $numbers = "$folder/numbers"
        $id = Start-Count $numbers
        $null = Invoke-CracCheckpoint -Id $id -ImageName app -LeaveRunning
        $null = Invoke-CracCheckpoint -Id $id -ImageName app2
        $port = Start-Registry plain
        $repository = "oci://127.0.0.1:$port/team/app"
    }

    BeforeEach {
        Use-Machine 'one'
        $work = (New-Item -ItemType Directory "$folder/$([guid]::NewGuid())").FullName
    }

    It 'takes an image, with a warning that it is not encrypted, and lists it' {
        $stored = Export-CracImage app -DestinationPath "${repository}:v1" -SkipTlsCheck -WarningVariable warnings -WarningAction SilentlyContinue
        $warnings | Should -Match 'not encrypted'
        $stored.Path, $stored.Name, $stored.Base | Should -Be "${repository}:v1", 'app', $null
        $listed = Get-CracImage $repository -SkipTlsCheck
        $listed.Tag, $listed.Digest, $listed.RootProcessId | Should -Be 'v1', $stored.Digest, $id
        (Get-CracImage "${repository}:v1" -SkipTlsCheck).Digest | Should -Be $stored.Digest
    }

    It 'takes what changed since, of which it gets little, and gives it to another machine' {
        $second = Export-CracImage app2 -Base "${repository}:v1" -DestinationPath "${repository}:v2" -SkipTlsCheck -WarningAction SilentlyContinue
        $second.Base | Should -Be 'v1'
        $second.StoredSize | Should -BeLessThan ($second.Memory / 5)
        (Get-CracImage $repository -SkipTlsCheck).Base | Should -Be $null, 'v1'
        $files = Get-ChildItem "$folder/one/images/app2"
        Use-Machine 'two'
        $imported = Import-CracImage "${repository}:v2" -ImageName app3 -SkipTlsCheck
        $imported.Path | Should -Be "$folder/two/images/app3"
        foreach ($file in $files) {
            (Get-FileHash $file).Hash | Should -Be (Get-FileHash "$($imported.Path)/$($file.Name)").Hash -Because $file.Name
        }
        Get-ChildItem -Force "$folder/two/state/transfers" | Should -BeNullOrEmpty
    }

    It 'restores on another machine only with a signature, or told to trust the registry' {
        Use-Machine 'three'
        $failure = { Restore-CracProcess "${repository}:v2" -SkipTlsCheck -ErrorAction Stop } | Should -Throw -ErrorId 'ImageNotTrusted,*' -PassThru
        $failure.ErrorDetails.RecommendedAction | Should -Match '-RequireSignature'
        $before = @(Get-Content $numbers).Count
        $restored = Restore-CracProcess "${repository}:v2" -SkipTlsCheck -SkipTrustCheck
        $restored.Id, $restored.ImagePath | Should -Be $id, "${repository}:v2"
        Wait-Count $numbers ($before + 3)
        bash -c "kill -9 -$id"
    }

    It 'is read and written by skopeo, with the digests that it had' {
        $null = Export-CracImage app -DestinationPath "oci:$work/store:v1"
        $digest = (Get-CracImage "oci:$work/store:v1").Digest
        skopeo copy -q --preserve-digests --dest-tls-verify=false "oci:$work/store:v1" "docker://127.0.0.1:$port/other:v1"
        $LASTEXITCODE | Should -Be 0
        $raw = (skopeo inspect --raw --tls-verify=false "docker://127.0.0.1:$port/other:v1" | ConvertFrom-Json)
        $raw.artifactType | Should -Be 'application/vnd.pscrac.image.v1'
        (Get-CracImage "oci://127.0.0.1:$port/other:v1" -SkipTlsCheck).Digest | Should -Be $digest
        skopeo copy -q --preserve-digests --src-tls-verify=false "docker://127.0.0.1:$port/other:v1" "oci:$work/back:v1"
        $LASTEXITCODE | Should -Be 0
        (Get-CracImage "oci:$work/back:v1").Digest | Should -Be $digest
        (Import-CracImage "oci:$work/back:v1" -ImagePath "$work/app").RootProcessId | Should -Be $id
    }

    It 'copies between stores and registries as it is' {
        $null = Export-CracImage app2 -DestinationPath "oci:$work/store:v7"
        $digest = (Export-CracImage "oci:$work/store:v7" -DestinationPath "${repository}:v7" -SkipTlsCheck).Digest
        $digest | Should -Be (Get-CracImage "oci:$work/store:v7").Digest
        (Export-CracImage "${repository}:v2" -DestinationPath "oci:$work/store:v2" -SkipTlsCheck).Digest | Should -Be (Get-CracImage "${repository}:v2" -SkipTlsCheck).Digest
        (Import-CracImage "oci:$work/store:v2" -ImagePath "$work/app").RootProcessId | Should -Be $id
    }

    It 'passes over what is no image in a repository' {
        $null = New-Item -ItemType Directory "$work/layer"
        Set-Content "$work/layer/file" 'x'
        tar -C "$work/layer" -czf "$work/layer.tar.gz" file
        $null = Export-CracImage app -DestinationPath "oci:$work/odd:v1"
        # A container image, as another tool makes it, has another configuration and no artifactType.
        $config = "$work/config"; [IO.File]::WriteAllText($config, '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}')
        $add = { param($file) $hash = (Get-FileHash $file).Hash.ToLower(); Copy-Item $file "$work/odd/blobs/sha256/$hash"; @{ digest = "sha256:$hash"; size = (Get-Item $file).Length } }
        $manifest = @{
            schemaVersion = 2; mediaType = 'application/vnd.oci.image.manifest.v1+json'
            config = (& $add $config) + @{ mediaType = 'application/vnd.oci.image.config.v1+json' }
            layers = , ((& $add "$work/layer.tar.gz") + @{ mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip' })
        }
        [IO.File]::WriteAllText("$work/manifest", ($manifest | ConvertTo-Json -Depth 5 -Compress))
        $index = Get-Content "$work/odd/index.json" -Raw | ConvertFrom-Json
        $index.manifests += [pscustomobject] ((& $add "$work/manifest") + @{ mediaType = $manifest.mediaType; annotations = @{ 'org.opencontainers.image.ref.name' = 'box' } })
        Set-Content "$work/odd/index.json" ($index | ConvertTo-Json -Depth 6)
        (Get-CracImage "oci:$work/odd").Tag | Should -Be 'v1'
        { Import-CracImage "oci:$work/odd:box" -ErrorAction Stop } | Should -Throw -ErrorId 'NotAnImage,*'
        skopeo copy -q --dest-tls-verify=false "oci:$work/odd:box" "docker://127.0.0.1:$port/team/app:box"
        $LASTEXITCODE | Should -Be 0
        (Get-CracImage $repository -SkipTlsCheck).Tag | Should -Not -Contain 'box'
        { Import-CracImage "${repository}:box" -SkipTlsCheck -ErrorAction Stop } | Should -Throw -ErrorId 'NotAnImage,*'
    }

    It 'says what is wrong: <Line>' -ForEach @(
        @{ Line = 'Import-CracImage "${repository}:none" -SkipTlsCheck'; Id = 'NotAnImage'; Says = 'Get-CracImage' }
        @{ Line = 'Get-CracImage "oci://127.0.0.1:$port/nothing" -SkipTlsCheck'; Id = 'NotAnImage'; Says = 'name' }
        @{ Line = 'Get-CracImage $repository'; Id = 'RegistryNotTrusted'; Says = '-SkipTlsCheck' }
        @{ Line = 'Get-CracImage oci://127.0.0.1:1/app -SkipTlsCheck'; Id = 'RegistryUnavailable'; Says = 'network' }
        @{ Line = 'Get-CracImage oci://no-such-host.invalid/app'; Id = 'RegistryUnavailable'; Says = 'network' }
        @{ Line = 'Export-CracImage app -DestinationPath "${repository}:v1" -SkipTlsCheck'; Id = 'ImageExists'; Says = '-Force' }
    ) {
        $failure = { & ([scriptblock]::Create("$Line -ErrorAction Stop -WarningAction SilentlyContinue")) } | Should -Throw -ErrorId "$Id,*" -PassThru
        "$failure $($failure.ErrorDetails.RecommendedAction)" | Should -Match ([regex]::Escape($Says))
    }

    It 'refuses to remove a digest that another tag shares, removes one of its own, and says how deletion is switched on' {
        $null = Export-CracImage app -DestinationPath "oci:$work/store:d"
        foreach ($tag in 'd1', 'd2') { $null = Export-CracImage "oci:$work/store:d" -DestinationPath "oci://127.0.0.1:$port/removed:$tag" -SkipTlsCheck }
        $null = Export-CracImage app2 -DestinationPath "oci://127.0.0.1:$port/removed:d3" -SkipTlsCheck -WarningAction SilentlyContinue
        $failure = { Remove-CracImage "oci://127.0.0.1:$port/removed:d1" -SkipTlsCheck -ErrorAction Stop } | Should -Throw -ErrorId 'ImageInUse,*' -PassThru
        "$failure" | Should -Match 'd2'
        Remove-CracImage "oci://127.0.0.1:$port/removed:d3" -SkipTlsCheck
        (Get-CracImage "oci://127.0.0.1:$port/removed" -SkipTlsCheck).Tag | Should -Be 'd1', 'd2'
        $fixed = Start-Registry fixed -NoDelete
        $null = Export-CracImage "oci:$work/store:d" -DestinationPath "oci://127.0.0.1:$fixed/app:v1" -SkipTlsCheck
        $failure = { Remove-CracImage "oci://127.0.0.1:$fixed/app:v1" -SkipTlsCheck -ErrorAction Stop } | Should -Throw -ErrorId 'ResourceUnsupported,*' -PassThru
        $failure.ErrorDetails.RecommendedAction | Should -Match 'REGISTRY_STORAGE_DELETE_ENABLED'
    }

    It 'goes on where a registry that died in the middle had stopped' {
        $dying = Start-Registry dying
        $null = Export-CracImage app -DestinationPath "oci:$work/store:v1"
        $null = Export-CracImage "oci:$work/store:v1" -DestinationPath "oci://127.0.0.1:$dying/app:v1" -SkipTlsCheck
        Stop-Registry dying
        { Import-CracImage "oci://127.0.0.1:$dying/app:v1" -ImagePath "$work/app" -SkipTlsCheck -ErrorAction Stop } | Should -Throw -ErrorId 'RegistryUnavailable,*'
        { Export-CracImage app2 -DestinationPath "oci://127.0.0.1:$dying/app:v2" -SkipTlsCheck -ErrorAction Stop -WarningAction SilentlyContinue } | Should -Throw -ErrorId 'RegistryUnavailable,*'
        "$work/app" | Should -Not -Exist
        $null = Start-Registry dying -Port $dying
        (Import-CracImage "oci://127.0.0.1:$dying/app:v1" -ImagePath "$work/app" -SkipTlsCheck).RootProcessId | Should -Be $id
        $null = Export-CracImage app2 -DestinationPath "oci://127.0.0.1:$dying/app:v2" -SkipTlsCheck -WarningAction SilentlyContinue
        (Get-CracImage "oci://127.0.0.1:$dying/app" -SkipTlsCheck).Tag | Should -Be 'v1', 'v2'
    }

    It 'completes tags, and nothing of a registry that does not answer' {
        $null = Export-CracImage app -DestinationPath "oci://127.0.0.1:$port/completed:one" -SkipTlsCheck -WarningAction SilentlyContinue
        $null = Export-CracImage app -DestinationPath "oci://127.0.0.1:$port/completed:other" -SkipTlsCheck -WarningAction SilentlyContinue
        $complete = { param($line) (TabExpansion2 $line $line.Length).CompletionMatches.ForEach({ $_.CompletionText.Trim("'") }) }
        & $complete "Import-CracImage -SkipTlsCheck -Path oci://127.0.0.1:$port/completed:" | Should -Be "oci://127.0.0.1:$port/completed:one", "oci://127.0.0.1:$port/completed:other"
        & $complete "Restore-CracProcess -SkipTlsCheck -Path oci://127.0.0.1:$port/completed:ot" | Should -Be "oci://127.0.0.1:$port/completed:other"
        & $complete 'Import-CracImage -SkipTlsCheck -Path oci://127.0.0.1:1/completed:' | Should -BeNullOrEmpty
    }

    It 'gets one image whole where a tag has moved since it was listed' {
        $name = "oci://127.0.0.1:$port/moving:v1"
        $null = Export-CracImage app -DestinationPath $name -SkipTlsCheck -WarningAction SilentlyContinue
        $listed = Get-CracImage "oci://127.0.0.1:$port/moving" -SkipTlsCheck
        $moved = Export-CracImage app2 -DestinationPath $name -SkipTlsCheck -Force -WarningAction SilentlyContinue
        $moved.Digest | Should -Not -Be $listed.Digest
        $files = Get-ChildItem "$folder/one/images/app2"
        Use-Machine 'five'
        $imported = $listed | Import-CracImage -ImagePath "$work/app" -SkipTlsCheck
        foreach ($file in $files) {
            (Get-FileHash $file).Hash | Should -Be (Get-FileHash "$($imported.Path)/$($file.Name)").Hash -Because $file.Name
        }
    }

    It 'keeps the store and the images whole where a registry dies in the middle of a <What>' -ForEach @(
        @{ What = 'push'; Limit = 60kB }
        @{ What = 'pull'; Limit = 60kB }
    ) {
        # Forwards to the registry, and ends with all of its connections after so many bytes in one direction.
        Set-Content "$work/between.py" @'
import os, socket, sys, threading
limit, port, direction = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
listener = socket.create_server(("127.0.0.1", 0))
with open(sys.argv[4] + ".new", "w") as file: file.write(str(listener.getsockname()[1]))
os.rename(sys.argv[4] + ".new", sys.argv[4])
passed = 0
def forward(source, target, counts):
    global passed
    while data := source.recv(4096):
        if counts:
            passed += len(data)
            if passed > limit: os._exit(0)
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)
while True:
    near, _ = listener.accept()
    far = socket.create_connection(("127.0.0.1", port))
    threading.Thread(target=forward, args=(near, far, direction == "push"), daemon=True).start()
    threading.Thread(target=forward, args=(far, near, direction == "pull"), daemon=True).start()
'@
        $direct = "oci://127.0.0.1:$port/cut-${What}:v1"
        Use-Machine 'one'
        if ($What -eq 'pull') { $null = Export-CracImage app -DestinationPath $direct -SkipTlsCheck -WarningAction SilentlyContinue }
        $between = [Diagnostics.Process]::Start((Find-Program python3), [string[]]("$work/between.py", $Limit, $port, $What, "$work/port"))
        try {
            Wait-Until { Test-Path "$work/port" } 'the connection between is there'
            $cut = "oci://127.0.0.1:$(Get-Content "$work/port")/cut-${What}:v1"
            if ($What -eq 'pull') { Use-Machine 'six' }
            $failure = {
                if ($What -eq 'push') { Export-CracImage app -DestinationPath $cut -SkipTlsCheck -ErrorAction Stop -WarningAction SilentlyContinue }
                else { Import-CracImage $cut -ImagePath "$work/app" -SkipTlsCheck -ErrorAction Stop }
            } | Should -Throw -ErrorId 'RegistryUnavailable,*' -PassThru
            $failure.ErrorDetails.RecommendedAction | Should -Match '\.$'
            $between.WaitForExit(10000) | Should -BeTrue -Because 'it ends in the middle of the transfer'
        }
        finally {
            if (-not $between.HasExited) { $between.Kill(); $between.WaitForExit() }
        }
        "$work/app" | Should -Not -Exist
        Get-ChildItem -Force "$env:PSCRAC_STATE_ROOT/transfers" -ErrorAction Ignore | Should -BeNullOrEmpty
        if ($What -eq 'push') {
            { Get-CracImage $direct -SkipTlsCheck -ErrorAction Stop } | Should -Throw -ErrorId 'NotAnImage,*'
            $null = Export-CracImage app -DestinationPath $direct -SkipTlsCheck -WarningAction SilentlyContinue
        }
        (Import-CracImage $direct -ImagePath "$work/app" -SkipTlsCheck).RootProcessId | Should -Be $id
    }

    It 'runs the lines from a process to another machine as they stand' {
        Use-Machine 'near'
        ssh-keygen -q -t ed25519 -N '' -f "$work/key"
        Set-TestVariable 'PSCRAC_ALLOWED_SIGNERS' "$work/allowed"
        Set-Content "$work/allowed" "me $(Get-Content "$work/key.pub")"
        $counting = Start-Count "$work/n"
        $null = Invoke-CracCheckpoint -Id $counting -ImageName app -LeaveRunning
        $remote = "oci://127.0.0.1:$port/lines"

        Export-CracImage app -DestinationPath "oci:$work/store:v1"
        $signed = Invoke-CracCheckpoint -Id $counting -ImageName app2 -LeaveRunning | Protect-CracImage -SigningKey "$work/key"
        Export-CracImage app2 -Base "oci:$work/store:v1" -DestinationPath "oci:$work/store:v2"
        Export-CracImage "oci:$work/store:v2" -DestinationPath "${remote}:v2" -SkipTlsCheck
        (Get-CracImage "oci:$work/store").Tag | Should -Be 'v1', 'v2'
        (Get-CracImage $remote -SkipTlsCheck).Tag | Should -Be 'v2'
        Use-Machine 'far'
        $imported = Import-CracImage "${remote}:v2" -ImageName app3 -RequireSignature -SkipTlsCheck
        $imported.Path | Should -Be "$folder/far/images/app3"
        foreach ($file in Get-ChildItem $signed.Path) {
            (Get-FileHash $file).Hash | Should -Be (Get-FileHash "$($imported.Path)/$($file.Name)").Hash -Because $file.Name
        }
        { Import-CracImage "oci://127.0.0.1:$port/team/app:v1" -ImageName app4 -RequireSignature -SkipTlsCheck -ErrorAction Stop } | Should -Throw -ErrorId 'SignatureMissing,*'
        bash -c "kill -9 -$counting"
        Wait-Until { -not (Test-Path "/proc/$counting") } 'the program has ended'
        $last = @(Get-Content "$work/n").Count
        (Restore-CracProcess app3).Id | Should -Be $counting
        Wait-Count "$work/n" ($last + 2)
    }

    It 'gets content again that was damaged here' {
        Use-Machine 'four'
        $null = Import-CracImage "${repository}:v1" -ImagePath "$work/first" -SkipTlsCheck
        $largest = Get-ChildItem "$folder/four/state/pulled/blobs/sha256" | Sort-Object Length | Select-Object -Last 1
        $bytes = [IO.File]::ReadAllBytes($largest)
        $bytes[100] = $bytes[100] -bxor 1
        [IO.File]::WriteAllBytes($largest, $bytes)
        { Import-CracImage "${repository}:v1" -ImagePath "$work/second" -SkipTlsCheck -ErrorAction Stop } | Should -Throw -ErrorId 'ImageCorrupt,*'
        (Import-CracImage "${repository}:v1" -ImagePath "$work/second" -SkipTlsCheck).RootProcessId | Should -Be $id
    }

    It 'is reached with TLS and a password: <What>' -ForEach @(
        @{ What = 'a certificate that nobody trusts'; More = @{}; Refused = 'RegistryNotTrusted' }
        @{ What = 'no password'; More = @{ CertificateDirectory = 'certificates' }; Refused = 'PermissionDenied' }
        @{ What = 'a wrong password'; More = @{ CertificateDirectory = 'certificates'; AuthFile = 'wrong.json' }; Refused = 'PermissionDenied' }
        @{ What = 'both as they should be'; More = @{ CertificateDirectory = 'certificates'; AuthFile = 'right.json' }; Refused = $null }
        @{ What = 'any certificate accepted'; More = @{ SkipTlsCheck = $true; AuthFile = 'right.json' }; Refused = $null }
    ) {
        if (-not $registries['guarded']) {
            $key = [Security.Cryptography.RSA]::Create(2048)
            $request = [Security.Cryptography.X509Certificates.CertificateRequest]::new('CN=127.0.0.1', $key, 'SHA256', [Security.Cryptography.RSASignaturePadding]::Pkcs1)
            $names = [Security.Cryptography.X509Certificates.SubjectAlternativeNameBuilder]::new()
            $names.AddIpAddress([Net.IPAddress]::Loopback)
            $request.CertificateExtensions.Add($names.Build())
            $request.CertificateExtensions.Add([Security.Cryptography.X509Certificates.X509BasicConstraintsExtension]::new($true, $false, 0, $true))
            $certificate = $request.CreateSelfSigned([DateTimeOffset]::Now.AddDays(-1), [DateTimeOffset]::Now.AddDays(1))
            $null = New-Item -ItemType Directory "$folder/certificates"
            Set-Content "$folder/certificates/ca.crt" $certificate.ExportCertificatePem()
            Set-Content "$folder/key.pem" $key.ExportPkcs8PrivateKeyPem()
            Set-Content "$folder/htpasswd" 'me:$2y$05$abcdefghijklmnopqrstuuFD4MB8iDJUUXjQuXq7kc5aIF.kDvACW'
            $script:guarded = Start-Registry guarded ", tls: { certificate: $folder/certificates/ca.crt, key: $folder/key.pem }" "auth: { htpasswd: { realm: test, path: $folder/htpasswd } }"
            foreach ($pair in @{ right = 'store-secret'; wrong = 'guess' }.GetEnumerator()) {
                $word = [Convert]::ToBase64String([Text.Encoding]::ASCII.GetBytes("me:$($pair.Value)"))
                Set-Content "$folder/$($pair.Key).json" (@{ auths = @{ "127.0.0.1:$guarded" = @{ auth = $word } } } | ConvertTo-Json -Depth 4)
            }
        }
        $access = @{}
        foreach ($pair in $More.GetEnumerator()) { $access[$pair.Key] = $pair.Value -is [bool] ? $pair.Value : "$folder/$($pair.Value)" }
        $name = "oci://127.0.0.1:$guarded/app:v1"
        $export = { Export-CracImage app -DestinationPath $name -Force @access -ErrorAction Stop -WarningAction SilentlyContinue }
        if ($Refused) {
            $export | Should -Throw -ErrorId "$Refused,*"
        }
        else {
            $null = & $export
            (Get-CracImage "oci://127.0.0.1:$guarded/app" @access).Tag | Should -Be 'v1'
            (Import-CracImage $name -ImagePath "$work/app" @access).RootProcessId | Should -Be $id
            Test-CracImage $name -SkipTrustCheck -Quiet -PidTimeout 0 @access | Should -BeOfType bool
            Remove-CracImage $name @access
        }
    }
}
